-- Returns and removes what one of a user's broken connections had received of
-- an answer. Of several it takes the shortest text, since a live connection
-- has received more.
--
-- If no end of the connection is recorded, its pod may have died before it
-- recorded the last confirmation. Then the result is the text that was sent
-- last, if it was sent so soon after a confirmation that the connection must
-- still have worked.
-- KEYS  1 shown
-- ARGV  1 prefix of the user's connections  2 ignore records before ms  3 or older than ms  4 how soon, in ms
-- RETURNS "seq|run|bytes|box", or false
local t = redis.call('TIME')
local since = math.max(tonumber(ARGV[2]), t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[3]))
local function parse(value)
  if not value then return nil end
  local at, rest, seq, run, bytes = string.match(value, '^(%d+)|((%d+)|(%d+)|(%d+)|.*)$')
  return {at = tonumber(at), rest = rest, seq = tonumber(seq), run = tonumber(run), bytes = tonumber(bytes)}
end
local all, fields = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do fields[all[i]] = all[i + 1] end
local best, conn
for field, value in pairs(fields) do
  local c = string.match(field, '^(.*):r$')
  if c and string.sub(c, 1, #ARGV[1]) == ARGV[1] then
    local r, s = parse(value), parse(fields[c .. ':s'])
    if s and s.seq == r.seq and s.run == r.run and s.bytes > r.bytes and s.at - r.at <= tonumber(ARGV[4]) then r = s end
    if r.at > since and (not best or r.seq < best.seq or r.seq == best.seq and
        (r.run < best.run or r.run == best.run and r.bytes < best.bytes)) then
      best, conn = r, c
    end
  end
end
if not best then return false end
redis.call('HDEL', KEYS[1], conn .. ':r', conn .. ':s', conn .. ':c')
return best.rest
