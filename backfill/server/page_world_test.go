package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// The real service, its door and its store, over a world: a person finds the push.
func TestPageOverAWorld(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, nil)
	server.Drive(t, s.url, s.token, "t", "a006", "Push 5 probably broke it")
}

// TestReadmePicture makes README's picture of the page: a search that has found its push,
// in the world of a flaky test. MOZCI_README_PICTURE names the file.
func TestReadmePicture(t *testing.T) {
	file := os.Getenv("MOZCI_README_PICTURE")
	if file == "" {
		t.Skip("MOZCI_README_PICTURE names no file")
	}
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "testdata", "worlds", "intermittent.txt"))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, newPlaces(string(text)), nil, nil)
	b := s.start(`{"label":"linux64/opt/mochitest-2","revision":"tip","mode":"search"}`)
	b = s.ended(b.ID)
	server.PictureOf(t, s.url+string(b.Links.Page), b.Answer, file)
}
