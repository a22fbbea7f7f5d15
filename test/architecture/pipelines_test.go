package architecture

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const gitlabFile = "../../.gitlab-ci.yml"

// A workflow is one of GitHub's, as far as the rules here read it. actionlint knows the rest.
type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Concurrency map[string]any
	Jobs        map[string]githubJob
}

type githubJob struct {
	Uses        string
	Timeout     int `yaml:"timeout-minutes"`
	Permissions map[string]string
	Container   struct{ Image string }
	Steps       []struct {
		Uses, Run string
		With      map[string]string
	}
}

// A gitlabJob has the keys that this pipeline uses, so that a misspelt key is an error here and not only after a push.
type gitlabJob struct {
	Extends, Stage, Image, Timeout, Coverage string
	Script                                   []string
	BeforeScript                             []string `yaml:"before_script"`
	Services                                 []string
	Interruptible                            bool
	Variables                                map[string]string
	Rules                                    []struct{ If string }
	Cache                                    struct {
		Key   any
		Paths []string
	}
	Artifacts struct {
		When     string
		Paths    []string
		ExpireIn string `yaml:"expire_in"`
	}
}

var (
	makeCall = regexp.MustCompile(`(?m)^\s*make ([a-z-]+)(.*)$`)
	pinned   = regexp.MustCompile(`^\s*(?:- )?uses: ([\w-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$`)
)

// TestPipelines_RunTheSameTargets: a change meets the same checks on GitHub and on GitLab, with the same arguments, and each is a target of the Makefile.
func TestPipelines_RunTheSameTargets(t *testing.T) {
	t.Parallel()
	makefile := text(t, "../../Makefile")
	var github, gitlab []string
	for _, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				github = append(github, targets(step.Run)...)
			}
		}
	}
	for _, job := range gitlabJobs(t) {
		gitlab = append(gitlab, targets(strings.Join(job.Script, "\n"))...)
	}
	slices.Sort(github)
	slices.Sort(gitlab)
	github, gitlab = slices.Compact(github), slices.Compact(gitlab)
	require.Greater(t, len(github), 15)
	assert.Equal(t, github, gitlab)
	for _, call := range github {
		target, _, _ := strings.Cut(call, " ")
		assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:`, makefile, "make %s", call)
		assert.Contains(t, text(t, "../../CONTRIBUTING.md"), "`make "+target, "the pipelines call it, and CONTRIBUTING does not say so")
	}
	local := regexp.MustCompile(`make --no-print-directory ([a-z-]+(?: [A-Z]+=\w+)?)`).FindAllStringSubmatch(text(t, "../../.ci/run"), -1)
	require.NotEmpty(t, local)
	for _, call := range local {
		assert.Contains(t, github, call[1], ".ci/run calls it")
	}
}

// TestPipelines_ActionsArePinned: a tag of an action can be moved to other code, a commit cannot. Each action has one version everywhere.
func TestPipelines_ActionsArePinned(t *testing.T) {
	t.Parallel()
	commits := map[string]string{}
	for _, file := range workflowFiles(t) {
		for line := range strings.Lines(text(t, file)) {
			line = strings.TrimRight(line, "\n")
			if !regexp.MustCompile(`^\s*(- )?uses:`).MatchString(line) || strings.Contains(line, "uses: ./") {
				continue
			}
			m := pinned.FindStringSubmatch(line)
			if !assert.NotNil(t, m, "%s: %q: an action is pinned by its commit, with its version as a comment", file, line) {
				continue
			}
			if commit, seen := commits[m[1]]; seen {
				assert.Equal(t, commit, m[2], "%s has two versions", m[1])
			}
			commits[m[1]] = m[2]
		}
	}
	require.NotEmpty(t, commits)
}

// TestPipelines_JobsAreBounded: each job has a time-out and states its permissions. Only a release writes, and only packages and attestations.
func TestPipelines_JobsAreBounded(t *testing.T) {
	t.Parallel()
	for file, w := range workflows(t) {
		assert.NotNil(t, w.Permissions, "%s: the default of a repository may be to write", file)
		assert.Empty(t, w.Permissions, "%s: each job states its own", file)
		assert.NotEmpty(t, w.Concurrency["group"], file)
		assert.NotContains(t, w.On, "pull_request_target", "%s: it would give secrets to the code of strangers", file)
		for name, job := range w.Jobs {
			assert.NotEmpty(t, job.Permissions, "%s: %s", file, name)
			for scope, access := range job.Permissions {
				if access == "write" {
					assert.Equal(t, "release.yml", filepath.Base(file), "%s may write %s", name, scope)
					assert.Contains(t, []string{"packages", "id-token", "attestations"}, scope)
				}
			}
			if job.Uses == "" {
				assert.Positive(t, job.Timeout, "%s: %s has no timeout-minutes", file, name)
			}
			for _, step := range job.Steps {
				assert.NotContains(t, step.Run, "${{ github.", "%s: %s: values of events in a script are code of strangers", file, name)
				if strings.HasPrefix(step.Uses, "actions/checkout@") {
					assert.Equal(t, "false", step.With["persist-credentials"], "%s: %s", file, name)
				}
			}
		}
	}
	for name, job := range gitlabJobs(t) {
		assert.NotEmpty(t, job.Timeout, ".gitlab-ci.yml: %s", name)
		assert.NotEmpty(t, job.Script, ".gitlab-ci.yml: %s", name)
	}
}

// TestPipelines_UseTheCompilerOfTheImage: jobs run on the image that the pod is built in, at one exact version.
func TestPipelines_UseTheCompilerOfTheImage(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`(?m)^FROM (golang:\S+) AS build$`).FindStringSubmatch(text(t, "../../deploy/Dockerfile"))
	require.NotNil(t, m)
	used := 0
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			if job.Container.Image != "" {
				used++
				assert.Equal(t, m[1], job.Container.Image, "%s: %s", file, name)
			}
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/setup-go@") {
					assert.Equal(t, m[1], "golang:"+step.With["go-version"]+"-bookworm", "%s: %s", file, name)
				}
			}
		}
	}
	require.Positive(t, used)
	for name, job := range gitlab(t) {
		if job.Image != "" && !strings.HasPrefix(job.Image, "docker:") {
			assert.Equal(t, m[1], job.Image, name)
		}
		for _, image := range append(job.Services, job.Image) {
			assert.Regexp(t, `^$|:\d+\.\d+\.\d+`, image, "%s: a full version", name)
		}
	}
}

func targets(script string) []string {
	var calls []string
	for _, m := range makeCall.FindAllStringSubmatch(script, -1) {
		calls = append(calls, strings.TrimSpace(m[1]+m[2]))
	}
	return calls
}

func workflowFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	require.Len(t, files, 3)
	return files
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	all := map[string]workflow{}
	for _, file := range workflowFiles(t) {
		var w workflow
		require.NoError(t, yaml.Unmarshal([]byte(text(t, file)), &w), file)
		require.NotEmpty(t, w.Jobs, file)
		all[file] = w
	}
	return all
}

// gitlabJobs are the jobs of GitLab's pipeline, with what they inherit.
func gitlabJobs(t *testing.T) map[string]gitlabJob {
	t.Helper()
	all := gitlab(t)
	jobs := map[string]gitlabJob{}
	for name, job := range all {
		if strings.HasPrefix(name, ".") {
			continue
		}
		for parent := job.Extends; parent != ""; parent = all[parent].Extends {
			require.Contains(t, all, parent, "%s extends it", name)
			job.Stage += all[parent].Stage
			job.Image += all[parent].Image
			if len(job.Rules) == 0 {
				job.Rules = all[parent].Rules
			}
		}
		require.NotEmpty(t, job.Image, "%s runs in a runner's default image", name)
		require.NotEmpty(t, job.Rules, "%s runs in every pipeline", name)
		require.Contains(t, stages(t), job.Stage, name)
		jobs[name] = job
	}
	return jobs
}

// gitlab is every job and every template of GitLab's pipeline, read strictly.
func gitlab(t *testing.T) map[string]gitlabJob {
	t.Helper()
	var document map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text(t, gitlabFile)), &document))
	all := map[string]gitlabJob{}
	for name, node := range document {
		if slices.Contains([]string{"stages", "workflow", "variables"}, name) {
			continue
		}
		part, err := yaml.Marshal(&node)
		require.NoError(t, err)
		decoder := yaml.NewDecoder(bytes.NewReader(part))
		decoder.KnownFields(true)
		var job gitlabJob
		require.NoError(t, decoder.Decode(&job), name)
		all[name] = job
	}
	return all
}

func stages(t *testing.T) []string {
	t.Helper()
	var document struct{ Stages []string }
	require.NoError(t, yaml.Unmarshal([]byte(text(t, gitlabFile)), &document))
	return document.Stages
}

func text(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(content)
}
