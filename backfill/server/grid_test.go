package server

import "testing"

// A push that passed by luck after the culprit of a flaky test is not the last good one.
func TestBoundsAroundTheCulprit(t *testing.T) {
	b := done()
	b.Ask.Mode = Search
	b.bounds()
	if b.LastGood == nil || b.LastGood.ID <= b.Culprit.Push.ID {
		t.Fatal("the story has no luck in it:", b.LastGood)
	}
	b.describe()
	if b.FirstBad.ID != 190420 || b.LastGood.ID != 190419 {
		t.Errorf("last good %d, first bad %d", b.LastGood.ID, b.FirstBad.ID)
	}
	b.Rows = b.Rows[:12]
	if b.describe(); b.LastGood != nil || b.FirstBad.ID != 190420 {
		t.Error("the last good push is none of those that were looked at:", b.LastGood)
	}
}
