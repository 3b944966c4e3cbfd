package monitor

import "github.com/mozci/mozci/job"

// Statement is one of a store in a database.
type Statement struct {
	SQL  string
	Args []any
}

// Hot are the statements that run for every event and every round.
func Hot(s *SQL, p job.Push) map[string]Statement {
	which, args := onPush(p)
	return map[string]Statement{
		"claim":           {s.bind(s.claiming("")), []any{10, "holder", 1}},
		"next":            {s.bind(s.nexting("")), nil},
		"wake":            {s.bind(s.waking(which)), args},
		"wake of a label": {s.bind(s.waking(" AND label = ?")), []any{"test"}},
	}
}
