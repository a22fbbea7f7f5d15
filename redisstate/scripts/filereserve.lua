-- Reserves a file in a user's quota of the day. Reserving the same id again
-- replaces its reservation. Reservations lapse by themselves.
-- KEYS  1 files and bytes of the day  2 open reservations by the time they lapse
-- ARGV  1 id  2 bytes wanted  3 bytes per day  4 files per day  5 life of a
--       reservation ms  6 life of the day's count ms
-- RETURNS 1 the bytes granted, at most those wanted; 0: nothing is left, and
--           nothing was reserved
--         2 ms until a reservation lapses, if others' reservations are why not all
--           that was wanted is granted; else 0
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local files = tonumber(redis.call('HGET', KEYS[1], 'files') or '0')
local bytes = tonumber(redis.call('HGET', KEYS[1], 'bytes') or '0')
local fits = files < tonumber(ARGV[4]) and bytes + tonumber(ARGV[2]) <= tonumber(ARGV[3])
local lapses = 0
for _, open in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local at = string.find(open, ':', 1, true)
  if string.sub(open, at + 1) == ARGV[1] then
    redis.call('ZREM', KEYS[2], open)
  else
    files = files + 1
    bytes = bytes + tonumber(string.sub(open, 1, at - 1))
    if lapses == 0 then lapses = tonumber(redis.call('ZSCORE', KEYS[2], open)) - now end
  end
end
local granted = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - bytes)
local wait = 0
if fits and (granted < tonumber(ARGV[2]) or files >= tonumber(ARGV[4])) then wait = lapses end
if granted <= 0 or files >= tonumber(ARGV[4]) then return {0, wait} end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[5]), string.format('%.0f', granted) .. ':' .. ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return {granted, wait}
