-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Plain stand-in: the same key always finds the same peer while the peers stay; it does not try to move few keys.

local Hash = {}
Hash.__index = Hash

function Hash.new(_, weights)
  local self = setmetatable({}, Hash)
  self:reinit(weights)
  return self
end

function Hash:reinit(weights)
  self.nodes = weights
  self.peers = {}
  for peer in pairs(weights) do
    table.insert(self.peers, peer)
  end
  table.sort(self.peers)
end

function Hash:find(key)
  if #self.peers == 0 then
    return nil
  end
  local place = ngx.crc32_long(tostring(key)) % #self.peers + 1
  return self.peers[place], place
end

function Hash:next(place)
  place = place % #self.peers + 1
  return self.peers[place], place
end

return Hash
