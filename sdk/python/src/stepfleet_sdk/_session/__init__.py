"""One worker process towards the coordinator: `session` is its life from connection to connection, `tasks` what it holds,
`outbox` what is ready to go out, `handlers` how the program's functions are called, `threads` where the blocking ones run.
"""
