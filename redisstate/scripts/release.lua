-- Gives a lease back with its turn still pending, due at once, and wakes the
-- other pods so that one takes it in milliseconds.
-- KEYS  1 lease  2 due
-- ARGV  1 token  2 session member
-- RETURNS 1, or 0 when the lease was not the caller's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], t[1] * 1000 + math.floor(t[2] / 1000), ARGV[2])
return 1
