-- Announces an answer under its lease. Text of an earlier attempt is removed
-- from the stored pieces, and the published message tells the clients so. The
-- replication id is stored, since it changes when a replica is promoted. A
-- late repeat removes nothing: pieces of that attempt may have been accepted
-- meanwhile.
-- KEYS  1 state  2 lease  3 pieces
-- ARGV  1 token  2 generation "seq:run"  3 attempt  4 open card  5 channel  6 sealed message
-- RETURNS 1; 0 if the caller does not hold the lease; -1 if Redis has no copy of the session, or a seed reserves the
--         lease for its former holder
local v = redis.call('HMGET', KEYS[1], 'h', 'og', 'oa', 'oe')
if not v[1] then return -1 end
local token = redis.call('GET', KEYS[2])
if token ~= ARGV[1] then return token == 'kept' and -1 or 0 end
local info = redis.pcall('INFO', 'replication')
local epoch = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
if v[2] == ARGV[2] and v[4] == epoch and tonumber(v[3]) >= tonumber(ARGV[3]) then return 1 end
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[1], 'lt')
redis.call('HSET', KEYS[1], 'og', ARGV[2], 'oa', ARGV[3], 'oi', -1, 'om', ARGV[4], 'oe', epoch)
redis.call('PUBLISH', ARGV[5], v[1] .. '|' .. ARGV[6])
return 1
