package ledger

// Migrations are the steps from one version of the tables to the next.
func Migrations() []string { return migrations }
