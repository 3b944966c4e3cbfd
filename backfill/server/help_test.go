package server_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

func base64JSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}
