SELECT E'a' -- ?
  '\'?', ? -- end