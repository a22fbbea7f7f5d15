-- Accepts one piece of a running answer under its lease and publishes it. Also
-- stores its model and cost, which may have changed since the announcement. A
-- snapshot replaces the stored text and needs none to be there; it also stores
-- the replication id, as start.lua does. A late repeat of an older snapshot
-- replaces nothing.
-- KEYS  1 state  2 lease  3 pieces
-- ARGV  1 token  2 generation "seq:run"  3 attempt  4 index  5 snapshot "1"/""  6 sealed piece
--       7 channel  8 open card  9 pieces TTL ms
-- RETURNS "ok" | "lost" (not the lease) | "empty" (Redis has no copy of the session, or a seed reserves the lease for
--         its former holder) | "reopen" (Redis does not have the answer up to the piece
--         before this: publish a snapshot)
local v = redis.call('HMGET', KEYS[1], 'og', 'oa', 'oi', 'h', 'oe')
if not v[4] then return 'empty' end
local token = redis.call('GET', KEYS[2])
if token ~= ARGV[1] then return token == 'kept' and 'empty' or 'lost' end
if ARGV[5] == '1' then
  local info = redis.pcall('INFO', 'replication')
  local epoch = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
  if v[1] == ARGV[2] and v[2] == ARGV[3] and v[5] == epoch and tonumber(v[3]) >= tonumber(ARGV[4])
    and redis.call('EXISTS', KEYS[3]) == 1 then
    return 'ok'
  end
  redis.call('DEL', KEYS[3])
  redis.call('HDEL', KEYS[1], 'lt')
  redis.call('HSET', KEYS[1], 'og', ARGV[2], 'oa', ARGV[3], 'oe', epoch)
else
  if v[1] ~= ARGV[2] or v[2] ~= ARGV[3] then return 'reopen' end
  local ahead = tonumber(ARGV[4]) - tonumber(v[3])
  if ahead <= 0 then return 'ok' end
  if ahead > 1 then return 'reopen' end
end
redis.call('HSET', KEYS[1], 'oi', ARGV[4], 'om', ARGV[8])
redis.call('RPUSH', KEYS[3], ARGV[6])
redis.call('PEXPIRE', KEYS[3], ARGV[9])
redis.call('PUBLISH', ARGV[7], v[4] .. '|' .. ARGV[6])
return 'ok'
