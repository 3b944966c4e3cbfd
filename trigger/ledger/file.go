package ledger

import (
	"fmt"

	"github.com/mozci/mozci/internal/private"
)

// NewFile creates the file of a SQLite ledger if it does not exist. It does so before the
// driver would create one that others can read: the file is readable by its owner alone,
// whatever the umask, and SQLite gives the files beside it the same mode. An existing
// file keeps its mode, since its owner may share it with a team.
func NewFile(name string) error {
	if err := private.File(name); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
