-- Enters a pending turn that Redis forgot; due at once.
-- KEYS  1 state  2 queue  3 due
-- ARGV  1 turn "seq:run"  2 session member  3 state TTL ms  4 the place from which it counts
-- RETURNS 1, or 0 when the session is not seeded
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local t = redis.call('TIME')
redis.call('ZADD', KEYS[3], 'NX', t[1] * 1000 + math.floor(t[2] / 1000), ARGV[2])
return 1
