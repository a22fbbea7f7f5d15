package redisstate

import (
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"

	"chatbox"
)

// Every key and channel. {p} is the session's partition, the
// hash tag that keeps all of a session in one Cluster slot so that scripts
// stay atomic there. s is the session's tenant and id, each base64url so that
// no name can contain a separator.
//
//	cb:{p}:s:<s>      hash    head, fold, open answer, lease counter     stateTTL
//	cb:{p}:l:<s>      list    hot log: sealed events up to the head      logTTL
//	cb:{p}:k:<s>      hash    key → seq of the events in the hot log     logTTL
//	cb:{p}:o:<s>      list    sealed pieces of the open answer           logTTL
//	cb:{p}:q:<s>      zset    pending turns "seq:run" by seq             stateTTL
//	cb:{p}:z:<s>      string  lease token                                LeaseTTL
//	cb:{p}:x:<s>      string  claims are forbidden                       forbidTTL
//	cb:{p}:r:<s>      string  user for whom a free id is reserved        reserveTTL
//	cb:{p}:w:<s>.<u>  string  the admin u watches the session            watchTTL
//	cb:{p}:v:<s>      zset    admins who watch the session, by process, by expiry  watchTTL
//	cb:{p}:g:<s>      hash    answer text that old clients' connections have received  shownTTL
//	cb:{p}:due        zset    sessions by the time at which turns are due   swept
//	cb:{p}:int        zset    appends that are not complete, by the time they are overdue  swept
//	cb:{p}:ch:<s>     channel updates of the session
//	cb:u:{<u>}:rate   zset    the user's frames in the window by time    RateWindow
//	cb:u:{<u>}:rest   zset    the user's REST requests in the window     RateWindow
//	cb:u:{<u>}:help   zset    the user's requests for help in the window RateWindow
//	cb:u:{<u>}:f:<d>  hash    files and bytes that the user uploaded on day d  fileDayTTL
//	cb:u:{<u>}:fo:<d> zset    the user's uploads under way, "bytes:file", by the time they lapse  fileDayTTL
//	cb:u:{<u>}:mark   string  the user's tokens issued before are void   Withdrawal.Until
//	cb:u:{<u>}:conn   zset    the user's sockets by expiry               connTTL
//	cb:t:{<t>.}:on    zset    the tenant's connected admins, by process, by expiry  staffTTL
//	cb:t:{<t>.}:said  hash    each admin's status and name, sealed            staffMemory
//	cb:t:{<t>.}:seen  zset    admins by the time of their last presence       staffMemory
//	cb:ticket:<h>     string  subject of a one-time ticket, sealed       30 s
//	cb:pods           zset    pods by last sign of life                  swept
//	cb:beats          zset    processes by their latest sign of life     swept
//	cb:identity       string  random name of this Redis                  for good
//	cb:pod:<id>       string  a pod's card, with the process that has the name  podTTL
//	cb:{p}:probe      string  written to test whether writes are accepted  probeTTL
//	cb:alive:<b>      string  a process that keeps registering sockets        aliveTTL
//	cb:{p}:canary:<id> channel a pod's messages to itself, on a Cluster one per partition with sessions there
//	cb:{p}:silent     channel never published to; on a Cluster its subscription selects the partition's master
//	cb:{bus}:canary:<id> channel a pod's messages to itself
//	cb:{bus}:life:<b> channel never published to; its subscription shows that a process is connected
//	cb:{bus}:wake     channel sessions whose turn just became free, for all pods
//	cb:{bus}:staff    channel sealed notices for connected admins, for all pods
//	cb:{bus}:out      channel users whom an admin disconnected, for all pods
//	cb:{bus}:block    channel users whom an admin blocked or unblocked, for all pods
const partitions = 64

func part(p int) string { return "cb:{" + strconv.Itoa(p) + "}" }

func partitionOf(s chatbox.SessionKey) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Tenant))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(s.ID))
	return int(h.Sum32() % partitions)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unb64(s string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err == nil
}

// member encodes a session for sets and channel names.
func member(s chatbox.SessionKey) string { return b64(s.Tenant) + "." + b64(s.ID) }

func parseMember(m string) (chatbox.SessionKey, bool) {
	t, id, ok := strings.Cut(m, ".")
	if !ok {
		return chatbox.SessionKey{}, false
	}
	tenant, ok1 := unb64(t)
	name, ok2 := unb64(id)
	return chatbox.SessionKey{Tenant: tenant, ID: name}, ok1 && ok2
}

type sessionKeys struct {
	state, log, index, pieces, queue, lease, forbid, reserve, due, intents, channel string
}

// keysOf returns the session's keys. They share one allocation, because every
// message needs most of them several times.
func keysOf(s chatbox.SessionKey) sessionKeys {
	p, m := part(partitionOf(s)), member(s)
	const kinds = 9
	var all strings.Builder
	all.Grow(kinds*(len(p)+len(":ch:")+len(m)) + 2*(len(p)+len(":due")))
	key := func(kind, of string) string {
		at := all.Len()
		all.WriteString(p)
		all.WriteString(kind)
		all.WriteString(of)
		return all.String()[at:]
	}
	return sessionKeys{
		state: key(":s:", m), log: key(":l:", m), index: key(":k:", m), pieces: key(":o:", m),
		queue: key(":q:", m), lease: key(":z:", m), forbid: key(":x:", m), reserve: key(":r:", m),
		due: key(":due", ""), intents: key(":int", ""), channel: key(":ch:", m),
	}
}

func channelOf(s chatbox.SessionKey) string {
	return part(partitionOf(s)) + ":ch:" + member(s)
}

func watchKey(s chatbox.SessionKey, adminID string) string {
	return part(partitionOf(s)) + ":w:" + member(s) + "." + b64(adminID)
}

func watchersKey(s chatbox.SessionKey) string {
	return part(partitionOf(s)) + ":v:" + member(s)
}

// sessionOfChannel is the inverse of channelOf.
func sessionOfChannel(ch string) (chatbox.SessionKey, bool) {
	_, m, ok := strings.Cut(ch, ":ch:")
	if !ok {
		return chatbox.SessionKey{}, false
	}
	return parseMember(m)
}

func userTag(u chatbox.UserKey) string { return "cb:u:{" + b64(u.Tenant) + "." + b64(u.ID) + "}" }

func rateKey(u chatbox.UserKey) string { return userTag(u) + ":rate" }

func restKey(u chatbox.UserKey) string { return userTag(u) + ":rest" }

func helpKey(u chatbox.UserKey) string { return userTag(u) + ":help" }

// fileKeys returns the keys of filereserve.lua and filesettle.lua.
func fileKeys(u chatbox.UserKey, day string) []string {
	return []string{userTag(u) + ":f:" + day, userTag(u) + ":fo:" + day}
}

func markKey(u chatbox.UserKey) string { return userTag(u) + ":mark" }

func connKey(u chatbox.UserKey) string { return userTag(u) + ":conn" }

// staffKeys returns the keys of staff.lua and the related scripts. The dot
// keeps the hash tag of the tenant "" from being empty, since Redis ignores an
// empty tag.
func staffKeys(tenant string) []string {
	tag := "cb:t:{" + b64(tenant) + ".}"
	return []string{tag + ":on", tag + ":said", tag + ":seen"}
}

func ticketKey(name string) string { return "cb:ticket:" + name }

const podsKey = "cb:pods"

// beatsKey has the latest sign of life of each process.
const beatsKey = "cb:beats"

// lifeChannel is never published to. A process subscribes to it for as long as it
// lives.
func lifeChannel(boot string) string { return "cb:{bus}:life:" + boot }

const identityKey = "cb:identity"

func podKey(id chatbox.PodID) string { return "cb:pod:" + string(id) }

// The channels for all pods share a hash tag, so that one connection to a
// Cluster serves them.
const wakeChannel = "cb:{bus}:wake"

const staffChannel = "cb:{bus}:staff"

const outChannel = "cb:{bus}:out"

const blockChannel = "cb:{bus}:block"

// probeKey is written to test whether the partition's master accepts writes.
func probeKey(p int) string { return part(p) + ":probe" }

// aliveKey belongs to one process: a restarted pod with the same name has
// another.
func aliveKey(boot string) string { return "cb:alive:" + boot }

func trunkCanary(id chatbox.PodID) string { return "cb:{bus}:canary:" + string(id) }

func silentChannel(p int) string { return part(p) + ":silent" }

func shardCanary(p int, id chatbox.PodID) string { return part(p) + ":canary:" + string(id) }
