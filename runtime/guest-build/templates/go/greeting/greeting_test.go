package greeting

import "testing"

func TestAGuestIsGreetedByName(t *testing.T) {
	if greeting := For("Ada"); greeting != "Hello, Ada!" {
		t.Errorf("Ada is told %q", greeting)
	}
}
