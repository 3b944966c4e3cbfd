package lease_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/lease"
)

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renewed := 0
		held, release := lease.Hold(t.Context(), time.Minute, func(context.Context) bool { renewed++; return false })
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if renewed != 4 || held.Err() != nil {
			t.Errorf("renewed %d times in a lease and a half, %v", renewed, held.Err())
		}
		if release() || held.Err() == nil {
			t.Errorf("released: lost, or held on: %v", held.Err())
		}
		held, release = lease.Hold(t.Context(), time.Minute, func(context.Context) bool { return true })
		<-held.Done()
		if !release() {
			t.Error("it was lost, and nobody said so")
		}
	})
}
