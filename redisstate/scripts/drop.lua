-- Ends a turn without an event in the history: removes the open answer, the
-- turn and the lease in one step, and publishes the failure, if there is one.
-- A lease that a seed reserves for the pod answering the turn counts as that
-- pod's.
-- KEYS  1 state  2 queue  3 lease  4 due  5 pieces
-- ARGV  1 token  2 turn "seq:run"  3 session member  4 channel  5 sealed failure or ""
-- RETURNS 1; 0 if the caller does not hold the lease; -1 if Redis has no copy of the session
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local token = redis.call('GET', KEYS[3])
if token ~= ARGV[1] and not (token == 'kept' and redis.call('HGET', KEYS[1], 'lg') == ARGV[2]) then return 0 end
redis.call('DEL', KEYS[3], KEYS[5])
redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe', 'lg', 'lt')
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('ZCARD', KEYS[2]) > 0 then
  local t = redis.call('TIME')
  redis.call('ZADD', KEYS[4], t[1] * 1000 + math.floor(t[2] / 1000), ARGV[3])
else
  redis.call('ZREM', KEYS[4], ARGV[3])
end
if ARGV[5] ~= '' then
  redis.call('PUBLISH', ARGV[4], (redis.call('HGET', KEYS[1], 'h') or '0') .. '|' .. ARGV[5])
end
return 1
