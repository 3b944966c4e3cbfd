package buildbot_test

import (
	"strconv"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/vocabulary"
)

// Every result of a build that a real master said; -1 is that of what has not ended.
func TestVocabularyOfResults(t *testing.T) {
	results := vocabulary.Words{}
	vocabulary.Documents(t, []string{"wire/buildbot"}, func(file string, doc any) {
		vocabulary.Walk(doc, func(key string, v any) {
			if n, ok := v.(float64); ok && key == "results" && n >= 0 {
				results.Add(file, strconv.FormatFloat(n, 'f', -1, 64))
			}
		})
	})
	results.Check(t, "results", 7, func(word string) error {
		n, err := strconv.Atoi(word)
		if err == nil {
			_, err = buildbot.StatusOf(n)
		}
		return err
	})
}
