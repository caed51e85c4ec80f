-- Entries of all streams whose end has come.
-- KEYS: ends.
-- ARGV: now (ms), most of them, prefix of the keys of entries, prefix of the keys of states.
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local all = {}
for place = 1, #found, 2 do
  local seq, stream = string.match(found[place], '^(%d+):(.*)$')
  local id = seq .. '-0'
  local entry = redis.call('XRANGE', ARGV[3] .. stream, id, id)[1]
  if entry then
    local mark = redis.call('HGET', ARGV[4] .. stream, 'm' .. seq) or '0'
    all[#all + 1] = { stream, { seq, found[place + 1], mark, entry[2][2] } }
  end
end
return all
