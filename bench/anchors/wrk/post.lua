-- wrk: POST of a small user, to be read, checked and written back
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"id":"42","name":"Ada Lovelace","email":"ada@example.com"}'
