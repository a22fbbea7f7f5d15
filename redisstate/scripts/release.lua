-- Gives a lease back with its turn still pending and due at once. The caller
-- then wakes the other pods, so that one claims it within milliseconds. A
-- lease that a seed reserves for the pod answering the turn counts as that
-- pod's.
-- KEYS  1 lease  2 due  3 state
-- ARGV  1 token  2 session member  3 turn "seq:run"
-- RETURNS 1; 0 if the caller does not hold the lease; -1 if Redis has no copy of the session
if redis.call('EXISTS', KEYS[3]) == 0 then return -1 end
local token = redis.call('GET', KEYS[1])
if token ~= ARGV[1] and not (token == 'kept' and redis.call('HGET', KEYS[3], 'lg') == ARGV[3]) then return 0 end
local t = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], t[1] * 1000 + math.floor(t[2] / 1000), ARGV[2])
return 1
