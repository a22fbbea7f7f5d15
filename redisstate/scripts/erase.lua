-- Removes all data of a session but the fact that it was erased. Publishes the
-- head, so that pods that are behind tell their sockets of the end. Running it
-- again is safe and removes data that was written meanwhile.
-- KEYS  1 state  2 log  3 index  4 pieces  5 queue  6 lease  7 forbid  8 reserve  9 due
-- ARGV  1 channel  2 head, the seq of the last event  3 owner  4 sealed fold  5 session member  6 TTL ms
-- RETURNS 1
local head = tonumber(redis.call('HGET', KEYS[1], 'h') or '-1')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
redis.call('ZREM', KEYS[9], ARGV[5])
redis.call('HSET', KEYS[1], 'h', ARGV[2], 'u', ARGV[3], 'f', ARGV[4], 'hold', '', 'end', '1', 'af', '0', 'lb', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if head < tonumber(ARGV[2]) then redis.call('PUBLISH', ARGV[1], ARGV[2] .. '|') end
return 1
