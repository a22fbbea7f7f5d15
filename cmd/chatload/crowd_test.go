package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/bench"
)

// crowd runs a measurement of a crowd against servers.
func crowd(t *testing.T, urls string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"bench", args[0], "--url", urls, "--secret", testSecret, "--settle", "10ms", "--dialers", "4"}, args[1:]...)
	code = run(t.Context(), t.Context(), args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

func TestBenchIdle_MemoryPerSocket(t *testing.T) {
	for _, attach := range []string{"true", "false"} {
		c := newChat(t, "")
		code, out, errs := crowd(t, c.URL, "idle", "--sockets", "20", "--attach="+attach, "--json", "--process", fmt.Sprintf("pods=%d", os.Getpid()))
		require.Equal(t, exitGood, code, errs)
		var r bench.IdleResult
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		assert.Equal(t, 20, r.Sockets)
		assert.Equal(t, 20, r.Connect.N)
		assert.Contains(t, r.KB, "pods")
		sessions := 0
		if attach == "true" {
			sessions = 20
		}
		assert.Len(t, c.sessions, sessions)
	}
}

func TestBenchStorm_EverySocketComesBackElsewhere(t *testing.T) {
	c := newChat(t, "")
	code, out, errs := crowd(t, c.URL+","+c.URL, "storm", "--sockets", "20", "--json", "--process", fmt.Sprintf("pods=%d", os.Getpid()))
	require.Equal(t, exitGood, code, errs)
	var r bench.StormResult
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	assert.Equal(t, 20, r.Sockets)
	assert.Equal(t, 20, r.Resume.N)
	assert.Positive(t, r.Back)
	assert.Contains(t, r.CPU, "pods")
}

func TestBenchStorm_OfAKilledPod(t *testing.T) {
	c := newChat(t, "")
	pod := exec.CommandContext(t.Context(), "sleep", "60")
	require.NoError(t, pod.Start())
	code, out, errs := crowd(t, c.URL+","+c.URL, "storm", "--sockets", "20", "--kill", fmt.Sprint(pod.Process.Pid))
	require.Equal(t, exitGood, code, errs)
	assert.Contains(t, out, "10 sockets back")
	assert.ErrorContains(t, pod.Wait(), "killed")
}

func TestBenchCrowd_Refusals(t *testing.T) {
	good, forgetful := newChat(t, ""), newChat(t, "forget")
	for name, tc := range map[string]struct {
		urls string
		args []string
		code int
		says string
	}{
		"an event is lost":            {forgetful.URL, []string{"storm", "--sockets", "3"}, exitViolation, "event 1 is lost"},
		"nobody listens":              {"http://127.0.0.1:1", []string{"idle", "--sockets", "3"}, exitViolation, "dial"},
		"no sockets":                  {good.URL, []string{"idle", "--sockets", "0"}, exitViolation, "needs an address"},
		"no other pod":                {good.URL, []string{"storm", "--kill", "1"}, exitViolation, "second address"},
		"a process that is gone":      {good.URL, []string{"idle", "--sockets", "1", "--process", "x=999999999"}, exitViolation, "does not run"},
		"a flag of the other command": {good.URL, []string{"storm", "--attach"}, exitUsage, "not defined"},
	} {
		code, _, errs := crowd(t, tc.urls, tc.args...)
		assert.Equal(t, tc.code, code, name)
		assert.Contains(t, errs, tc.says, name)
	}
}

func TestCommandLine_FaultsAreToldAndTheSecretIsNot(t *testing.T) {
	env := func(string) string { return testSecret }
	none := func(string) string { return "" }
	for name, tc := range map[string]struct {
		args []string
		env  func(string) string
		code int
		says string
	}{
		"help":                  {[]string{"--help"}, env, exitGood, "JWT_SECRET"},
		"help of bench":         {[]string{"bench", "--help"}, env, exitGood, "bench storm"},
		"help of idle":          {[]string{"bench", "idle", "--help"}, env, exitGood, "JWT_SECRET"},
		"unknown flag":          {[]string{"bench", "storm", "--bogus"}, env, exitUsage, "bogus"},
		"unknown mode":          {[]string{"bench", "bogus"}, env, exitUsage, "bogus"},
		"stray argument":        {[]string{"bench", "storm", "extra", "--sockets", "20"}, env, exitUsage, "extra"},
		"stray of the relay":    {[]string{"relay", "extra"}, env, exitUsage, "extra"},
		"no secret":             {[]string{"bench"}, none, exitUsage, "JWT_SECRET is needed"},
		"no secret for sockets": {[]string{"bench", "idle"}, none, exitUsage, "JWT_SECRET is needed"},
		"no process id":         {[]string{"bench", "idle", "--process", "pod="}, env, exitUsage, "name=pid"},
	} {
		var out bytes.Buffer
		assert.Equal(t, tc.code, run(t.Context(), t.Context(), tc.args, tc.env, &out, &out), name)
		assert.Contains(t, out.String(), tc.says, name)
		assert.NotContains(t, out.String(), testSecret, name)
	}
}
