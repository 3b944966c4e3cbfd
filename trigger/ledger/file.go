package ledger

import (
	"fmt"

	"github.com/mozci/mozci/internal/private"
)

// NewFile makes the file of a ledger in SQLite where there is none, before the
// driver makes one that others can read: it is for its owner alone, whatever the
// umask, and SQLite gives the files beside it the same mode. A file that is there
// keeps its mode: its owner may share it with a team.
func NewFile(name string) error {
	if err := private.File(name); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
