-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Plain stand-in: takes the peers in turn, each as often as its weight says.

local Picker = {}
Picker.__index = Picker

function Picker.new(_, weights)
  local self = setmetatable({}, Picker)
  self:reinit(weights)
  return self
end

function Picker:reinit(weights)
  self.nodes = weights
  self.turns = {}
  for peer, weight in pairs(weights) do
    for _ = 1, weight do
      table.insert(self.turns, peer)
    end
  end
  table.sort(self.turns)
  self.last = math.random(math.max(#self.turns, 1)) - 1
end

function Picker:find()
  if #self.turns == 0 then
    return nil
  end
  self.last = self.last % #self.turns + 1
  return self.turns[self.last]
end

Picker.next = Picker.find

return Picker
