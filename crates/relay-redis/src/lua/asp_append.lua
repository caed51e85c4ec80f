-- Adds a message to a session if its head is still the one the message was made for, and tells all nodes.
-- KEYS: head, messages, and the key of the idempotency key if there is one.
-- ARGV: number and hash of that head, the message's hash, body, content of the head, messages kept, kept until (ms), channel,
-- session, memo, memo kept until (ms).
local head = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'first', 'content')
if not head[1] then
  return { 'unknown' }
end
if KEYS[3] then
  local memo = redis.call('GET', KEYS[3])
  if memo then
    return { 'duplicate', memo }
  end
end
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then
  -- A command may be sent again after its answer was lost.
  local next = string.format('%.0f', (tonumber(ARGV[1]) or 0) + 1)
  local found = ARGV[3] ~= '' and redis.call('XRANGE', KEYS[2], next .. '-0', next .. '-0')[1]
  if found and found[2][2] == ARGV[4] then
    return { 'stored' }
  end
  return { 'moved', head[1], head[2], head[3], head[4] }
end
local seq = tonumber(head[1]) + 1
local id = string.format('%.0f', seq)
redis.call('XADD', KEYS[2], id .. '-0', 'b', ARGV[4])
local first = tonumber(head[3])
if seq - first + 1 > tonumber(ARGV[6]) then
  first = seq - tonumber(ARGV[6]) + 1
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', first) .. '-0')
end
redis.call('HSET', KEYS[1], 'seq', id, 'hash', ARGV[3], 'first', string.format('%.0f', first), 'content', ARGV[5])
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
redis.call('PEXPIREAT', KEYS[2], ARGV[7])
if KEYS[3] then
  redis.call('SET', KEYS[3], ARGV[10], 'PXAT', ARGV[11])
end
redis.call('PUBLISH', ARGV[8], id .. ' ' .. ARGV[9])
return { 'stored' }
