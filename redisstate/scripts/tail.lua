-- Reads a session's hot data after a seq.
-- KEYS  1 state  2 log  3 pieces  4 reserve
-- ARGV  1 after: events with a greater seq are wanted
-- RETURNS {head or -1, owner, fold, reserved user, open generation or "", attempt, index, open card,
--          [entries up to the head], [sealed pieces], how far people have read}
local v = redis.call('HMGET', KEYS[1], 'h', 'u', 'f', 'og', 'oa', 'oi', 'om', 'rd')
local reserved = redis.call('GET', KEYS[4]) or ''
if not v[1] then
  return {'-1', '', '', reserved, '', '', '', '', {}, {}, ''}
end
local n = redis.call('LLEN', KEYS[2])
local first = tonumber(v[1]) - n + 1
local at = math.max(tonumber(ARGV[1]) + 1 - first, 0)
local entries = {}
if at < n then entries = redis.call('LRANGE', KEYS[2], at, -1) end
local pieces = {}
if v[4] then pieces = redis.call('LRANGE', KEYS[3], 0, -1) end
return {v[1], v[2] or '', v[3] or '', reserved, v[4] or '', v[5] or '', v[6] or '', v[7] or '', entries, pieces, v[8] or ''}
