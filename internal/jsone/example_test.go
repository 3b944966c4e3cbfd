package jsone_test

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/jsone"
)

// What a hook of Taskcluster does with its payload.
func Example() {
	template := map[string]any{
		"deadline": map[string]any{"$fromNow": "1 day"},
		"payload":  map[string]any{"$if": "input.times > 1", "then": "run ${input.times} times", "else": "run once"},
	}
	context := map[string]any{"input": map[string]any{"times": 3}}
	task, err := jsone.Render(template, context, time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC))
	fmt.Println(task, err)
	_, err = jsone.Render(map[string]any{"$eval": "inputs.times"}, context, time.Now())
	fmt.Println(err)
	// Output:
	// map[deadline:2026-08-02T12:00:00.000Z payload:run 3 times] <nil>
	// InterpreterError: unknown context value inputs
}
