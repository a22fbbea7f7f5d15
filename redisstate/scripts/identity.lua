-- Returns the identity of this Redis, which the first pod that asks gives it. It
-- lasts until Redis is emptied.
-- KEYS  1 identity
-- ARGV  1 identity if there is none
-- RETURNS the identity
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
