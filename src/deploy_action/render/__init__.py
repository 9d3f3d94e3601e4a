"""How results reach people and programs: pure functions from results to lines and plain data."""
