-- Prolongs a lease that is still the caller's.
-- KEYS  1 lease  2 due  3 state
-- ARGV  1 token  2 lease TTL ms  3 session member
-- RETURNS 1, 0 when the lease is another's or gone, -1 when Redis knows nothing of the session
if redis.call('EXISTS', KEYS[3]) == 0 then return -1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[3])
return 1
