package server_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// nonceStores are all Nonces, and a second view of the same for each: another instance.
func nonceStores(t *testing.T) map[string][2]server.Nonces {
	t.Helper()
	memory := server.NewMemoryNonces(0)
	out := map[string][2]server.Nonces{"memory": {memory, memory}}
	file := filepath.Join(t.TempDir(), "nonces.db")
	out["SQLite"] = [2]server.Nonces{
		server.NewSQLNonces(testenv.SQLite(t, file), database.SQLite),
		server.NewSQLNonces(testenv.SQLite(t, file), database.SQLite),
	}
	if why := testenv.MissingPostgres(); why != "" {
		t.Run("PostgreSQL", func(t *testing.T) { testenv.Lacking(t, "%s", why) })
	} else {
		url := testenv.Postgres(t)
		out["PostgreSQL"] = [2]server.Nonces{
			server.NewSQLNonces(testenv.OpenDB(t, "pgx", url), database.PostgreSQL),
			server.NewSQLNonces(testenv.OpenDB(t, "pgx", url), database.PostgreSQL),
		}
	}
	return out
}

// A nonce is used once, by whichever instance; of many at once one is the first.
func TestNonces(t *testing.T) {
	for name, n := range nonceStores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			use := func(n server.Nonces, key string, d time.Duration, want bool) {
				t.Helper()
				if first, err := n.Use(ctx, key, d); err != nil || first != want {
					t.Errorf("Use(%q) is %t, %v", key, first, err)
				}
			}
			used := func(key string, want bool) {
				t.Helper()
				if is, err := n[1].Used(ctx, key); err != nil || is != want {
					t.Errorf("Used(%q) is %t, %v", key, is, err)
				}
			}
			used("a", false)
			use(n[0], "a", time.Hour, true)
			used("a", true)
			use(n[1], "a", time.Hour, false)
			use(n[1], "b", time.Hour, true)
			use(n[0], "over", -time.Second, true)
			used("over", false)
			use(n[1], "over", time.Hour, true)
			use(n[0], "over", time.Hour, false)
			used("over", true)
			use(n[0], "a", time.Hour, false)

			var firsts atomic.Int64
			var wait sync.WaitGroup
			for i := range 40 {
				wait.Go(func() {
					first, err := n[i%2].Use(ctx, "rush", time.Hour)
					if err != nil {
						t.Error(err)
					}
					if first {
						firsts.Add(1)
					}
				})
			}
			wait.Wait()
			if firsts.Load() != 1 {
				t.Errorf("%d of 40 were the first", firsts.Load())
			}
			gone, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := n[0].Use(gone, "c", time.Hour); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if _, err := n[0].Used(gone, "c"); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

// In memory they are bounded, and forgotten in time, whatever the order in which they end.
func TestMemoryNoncesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := server.NewMemoryNonces(3)
		for i, d := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
			if first, err := n.Use(t.Context(), fmt.Sprint(i), d); !first || err != nil {
				t.Fatal(first, err)
			}
		}
		if first, err := n.Use(t.Context(), "more", time.Minute); first || !errors.Is(err, server.ErrFull) ||
			!errors.Is(err, job.ErrUnavailable) {
			t.Errorf("a fourth: %t, %v", first, err)
		}
		if first, err := n.Use(t.Context(), "2", time.Minute); first || err != nil {
			t.Errorf("one that is there: %t, %v", first, err)
		}
		time.Sleep(time.Minute)
		for key, want := range map[string]bool{"0": true, "1": false, "2": true} {
			if used, err := n.Used(t.Context(), key); used != want || err != nil {
				t.Errorf("%s after a minute: %t, %v", key, used, err)
			}
		}
		if first, err := n.Use(t.Context(), "more", time.Minute); !first || err != nil {
			t.Errorf("a new one after a minute: %t, %v", first, err)
		}
	})
}

// A database that does not answer is not a nonce that is new.
func TestNoncesWithoutDatabase(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "nonces.db"))
	n := server.NewSQLNonces(db, database.SQLite)
	if _, err := n.Use(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if first, err := n.Use(t.Context(), "b", time.Hour); first || !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("%t, %v", first, err)
	}
	if used, err := n.Used(t.Context(), "a"); used || !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("%t, %v", used, err)
	}
	if _, err := server.NewSQLNonces(db, 0).Use(t.Context(), "a", time.Hour); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
}
