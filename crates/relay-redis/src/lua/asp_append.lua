-- Adds messages to a session if its head is still the one they were made for, all or none, and tells the other nodes.
-- KEYS: head, messages, and the keys of the idempotency keys there are.
-- ARGV: number and hash of that head, the hash of the last message, content of the head, messages kept, kept until (ms), the
-- nodes' channel, the channel of this node alone or '', session, how many messages, their bodies, and for each of the idempotency
-- keys its message (from 0 on), memo, and until when it is kept (ms).
-- Answers 1 if they are stored, 0 if there is no such session.
local head = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'first', 'content')
if not head[1] then
  return 0
end
local count = tonumber(ARGV[10])
local moved = head[1] ~= ARGV[1] or head[2] ~= ARGV[2]
local seq = (tonumber(ARGV[1]) or 0) + count
local id = string.format('%.0f', seq)
if moved and ARGV[3] ~= '' then
  -- A command may be sent again after its answer was lost.
  local found = redis.call('XRANGE', KEYS[2], id .. '-0', id .. '-0')[1]
  if found and found[2][2] == ARGV[10 + count] then
    return 1
  end
end
local used
for key = 3, #KEYS do
  local memo = redis.call('GET', KEYS[key])
  if memo then
    used = used or { 'duplicates' }
    used[#used + 1] = { ARGV[10 + count + 3 * (key - 3) + 1], memo }
  end
end
if used then
  return used
end
if moved then
  return { 'moved', head[1], head[2], head[3], head[4] }
end
for message = 1, count do
  redis.call('XADD', KEYS[2], string.format('%.0f-0', seq - count + message), 'b', ARGV[10 + message])
end
local first = tonumber(head[3])
if seq - first + 1 > tonumber(ARGV[5]) then
  first = seq - tonumber(ARGV[5]) + 1
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', first) .. '-0')
end
redis.call('HSET', KEYS[1], 'seq', id, 'hash', ARGV[3], 'first', string.format('%.0f', first), 'content', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[6])
redis.call('PEXPIREAT', KEYS[2], ARGV[6])
for key = 3, #KEYS do
  local at = 10 + count + 3 * (key - 3)
  redis.call('SET', KEYS[key], ARGV[at + 2], 'PXAT', ARGV[at + 3])
end
-- Nothing is said that this node alone would hear: it knows. Where it may not be asked who listens, it is said.
local ears = ARGV[8] ~= '' and redis.pcall('PUBSUB', 'NUMSUB', ARGV[7], ARGV[8])
if not ears or ears.err or ears[2] > ears[4] then
  redis.call('PUBLISH', ARGV[7], id .. ' ' .. ARGV[9])
end
return 1
