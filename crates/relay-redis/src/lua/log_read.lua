-- Entries of a stream after a number.
-- KEYS: entries, state, ends.
-- ARGV: stream, after, most entries, most bytes.
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
local all, bytes = {}, 0
for _, entry in ipairs(found) do
  local body = entry[2][2]
  bytes = bytes + #body
  if bytes > tonumber(ARGV[4]) and #all > 0 then
    break
  end
  local seq = string.match(entry[1], '^(%d+)')
  local mark = redis.call('HGET', KEYS[2], 'm' .. seq) or '0'
  local ending = redis.call('ZSCORE', KEYS[3], seq .. ':' .. ARGV[1]) or '0'
  all[#all + 1] = { seq, ending, mark, body }
end
return all
