package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
)

// Who asks a daemon to wait that has just been told to stop hears that.
func TestWaitOnStoppedDaemon(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := &server{d: &daemon{marks: t.TempDir(), calls: make(chan func())}, ctx: ctx}
	w := httptest.NewRecorder()
	s.wait(w, httptest.NewRequestWithContext(t.Context(), "POST", "/wait", nil))
	var got waitReply
	if err := json.NewDecoder(w.Body).Decode(&got); err != nil || got.Error != stoppedReply.Error {
		t.Errorf("%+v %v", got, err)
	}
}
