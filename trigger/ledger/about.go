package ledger

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// About is what a ledger in a database is before anything is written to it.
type About struct {
	Version int // of its tables; 0 for none yet
	Newest  int // the version that this program writes, to which it brings older ones
	Entries int // what it remembers
	// ReadOnly says that the database lets its user write nothing. PostgreSQL tells;
	// for SQLite the file does, and this is false.
	ReadOnly bool
}

// About reads what the ledger is. Unlike all other methods it makes no tables and brings
// none up to date: it works on a database that is opened to be read only. A ledger of
// a newer version than the program's gives ErrNewer, with what is known.
func (l *SQL) About(ctx context.Context) (About, error) {
	const op = "ledger.about"
	out, err := l.about(ctx)
	return out, job.Wrap(op, "", database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable, ErrNewer))
}

func (l *SQL) about(ctx context.Context) (About, error) {
	out := About{Newest: len(migrations)}
	var err error
	if out.Version, err = l.tables.Version(ctx); err != nil {
		return out, err
	}
	if out.Version > out.Newest {
		return out, fmt.Errorf("the ledger: %w: version %d, this program knows %d", ErrNewer, out.Version, out.Newest)
	}
	if out.Version > 0 {
		if err = l.db().QueryRowContext(ctx, `SELECT COUNT(*) FROM mozci_ledger`).Scan(&out.Entries); err != nil {
			return out, err
		}
	}
	if l.tables.Dialect != PostgreSQL {
		return out, nil
	}
	may := `COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)`
	if out.Version > 0 {
		may = `has_table_privilege('mozci_ledger', 'INSERT') AND has_table_privilege('mozci_ledger', 'UPDATE')`
	}
	err = l.db().QueryRowContext(ctx,
		`SELECT NOT (current_setting('transaction_read_only') = 'off' AND `+may+`)`).Scan(&out.ReadOnly)
	return out, err
}
