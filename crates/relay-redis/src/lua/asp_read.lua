-- Messages of a session after a number.
-- KEYS: messages. ARGV: after, most messages, most bytes.
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
local all, bytes = {}, 0
for _, entry in ipairs(found) do
  local body = entry[2][2]
  bytes = bytes + #body
  if bytes > tonumber(ARGV[3]) and #all > 0 then
    break
  end
  all[#all + 1] = { string.match(entry[1], '^(%d+)'), body }
end
return all
