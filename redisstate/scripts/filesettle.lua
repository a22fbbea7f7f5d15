-- Ends a reservation of a user's quota: by a file, or by none.
-- KEYS  1 files and bytes of the day  2 open reservations by the time they lapse
-- ARGV  1 id  2 bytes of the file; 0: none  3 life of the day's count ms
-- RETURNS 1
for _, open in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local at = string.find(open, ':', 1, true)
  if string.sub(open, at + 1) == ARGV[1] then redis.call('ZREM', KEYS[2], open) end
end
if tonumber(ARGV[2]) > 0 then
  redis.call('HINCRBY', KEYS[1], 'files', 1)
  redis.call('HINCRBY', KEYS[1], 'bytes', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
