-- Extends the caller's lease, or takes back the lease that a seed reserves for
-- the pod answering the turn.
-- KEYS  1 lease  2 due  3 state
-- ARGV  1 token  2 lease TTL ms  3 session member  4 turn "seq:run"
-- RETURNS 1; 0 if the lease is another's or expired; -1 if Redis has no copy of the session
if redis.call('EXISTS', KEYS[3]) == 0 then return -1 end
local token = redis.call('GET', KEYS[1])
if token ~= ARGV[1] and not (token == 'kept' and redis.call('HGET', KEYS[3], 'lg') == ARGV[4]) then return 0 end
local t = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[3])
return 1
