package clip_test

import (
	"testing"

	"github.com/mozci/mozci/internal/clip"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		s            string
		most         int
		text, marked string
	}{
		{"", 3, "", ""},
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "abc", "abc…"},
		{"aé", 2, "a", "a…"}, // half an é is none
		{"é", 2, "é", "é"},
		{"a\xffb", 3, "a\xffb", "a\xffb"}, // nothing is cut, so nothing is mended
	} {
		if got := clip.Text(c.s, c.most); got != c.text {
			t.Errorf("Text(%q, %d) = %q, want %q", c.s, c.most, got, c.text)
		}
		if got := clip.Marked(c.s, c.most); got != c.marked {
			t.Errorf("Marked(%q, %d) = %q, want %q", c.s, c.most, got, c.marked)
		}
	}
}
