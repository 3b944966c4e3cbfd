package analysis_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/vocabulary"
	"github.com/mozci/mozci/job"
)

// chunkIn is the number of a chunk that what is said of a task holds.
func chunkIn(t *testing.T, said json.RawMessage) int {
	t.Helper()
	var s struct{ Run struct{ Chunk int } }
	if err := json.Unmarshal(said, &s); err != nil {
		t.Fatal(err)
	}
	return s.Run.Chunk
}

// The pages that measurements load are counted within their labels, and do not move: each
// is a suite of its own.
var page = regexp.MustCompile(`-tp6m?-\d+-`)

// The chunk of every label that a person checked, by the label alone.
func TestVocabularyOfChunks(t *testing.T) {
	const file = "ActiveData-ETL__task_label_to_properties.json.gz"
	said := map[string]json.RawMessage{}
	if err := json.Unmarshal(testenv.Read(t, "data", "4-taskcluster", file), &said); err != nil {
		t.Fatal(err)
	}
	names := vocabulary.Words{}
	for name := range said {
		names.Add(file, name)
	}
	names.Check(t, "chunks of labels", 2000, func(name string) error {
		want := chunkIn(t, said[name])
		if page.MatchString(name) && job.NamesPerf(name) {
			want = 0
		}
		base, n := job.SplitChunk(name)
		if n != want || n > 0 && name != fmt.Sprintf("%s-%d", base, n) || n == 0 && base != name ||
			strings.HasSuffix(base, "-") {
			return fmt.Errorf("%s in chunk %d, expected %d", base, n, want)
		}
		return nil
	})
}
