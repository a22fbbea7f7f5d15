-- Invalidates a user's credentials issued before a time, unless a later time
-- is stored already.
-- KEYS  1 mark
-- ARGV  1 before ms  2 TTL ms
-- RETURNS 1 if the mark was written, else 0
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
