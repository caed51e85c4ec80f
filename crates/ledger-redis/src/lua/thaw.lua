-- KEYS: session, payment, journal. ARGV: now, landing, payment id, block.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
check_journal(KEYS[3])
if not p then return answer('unknown') end
if p.fate ~= 'credited' then return answer('conflict') end
local thaws = p.gone == '1'
if not thaws and p.landing == ARGV[2] then return answer('replayed', s, KEYS[2]) end

if p.plain == '1' then s = nil end
if s then
  money_of(s)
  sweep(s)
end
redis.call('HSET', KEYS[2], 'gone', '0', 'landing', ARGV[2])
if s then
  redis.call('HSET', KEYS[1], 'block', digits(math.max(s.block, tonumber(ARGV[4]))))
  if thaws then
    redis.call('HSET', KEYS[1],
      'frozen', digits(math.max(0, s.frozen - 1)), 'revision', digits(s.revision + 1))
  end
  journal(KEYS[3], 'thaw', 0, nil, ARGV[3])
end
return answer('done', s, KEYS[2])
