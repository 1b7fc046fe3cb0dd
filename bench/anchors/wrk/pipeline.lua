-- wrk: sixteen requests at a time, written together
local sixteen
function init()
   sixteen = string.rep(wrk.format(), 16)
end
function request()
   return sixteen
end
