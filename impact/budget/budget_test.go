package budget

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWithin(t *testing.T) {
	var b Budget
	if v, err := Within(t.Context(), &b, func() (int, error) { return 1, nil }); v != 1 || err != nil {
		t.Fatal(v, err)
	}
	if _, err := Within(t.Context(), &b, func() (int, error) { return 0, context.DeadlineExceeded }); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	block := make(chan bool)
	_, err := Within(ctx, &b, func() (int, error) { cancel(); <-block; return 0, nil })
	close(block)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestMemory(t *testing.T) {
	var b Budget
	block := make(chan bool)
	_, err := Within(t.Context(), &b, func() ([]byte, error) {
		held := make([]byte, Memory+Memory/2)
		<-block
		return held, nil
	})
	close(block)
	var over *Exceeded
	if !errors.As(err, &over) || over.Cause != "it takes more than 192 MiB of memory to evaluate" {
		t.Fatal(err)
	}
}

func TestExceeded(t *testing.T) {
	const most, little = Processor + time.Second, Processor - time.Second
	for _, c := range []struct {
		used meter
		over bool
	}{
		{meter{passed: most, processor: most}, true},
		{meter{passed: little, processor: most}, false}, // what others did at the same time
		{meter{passed: most, processor: little}, false}, // it waited
		{meter{passed: most, processor: most, memory: -Memory}, true},
		{meter{memory: Memory + 1}, true},
		{meter{memory: Memory}, false},
	} {
		var b Budget
		if over := b.exceeded(c.used) != nil; over != c.over {
			t.Errorf("%+v: exceeded: %v", c.used, over)
		}
		b.set(true, meter{})
		if b.exceeded(c.used) != nil {
			t.Errorf("%+v counts while it is free", c.used)
		}
		b.set(false, c.used)
		if b.exceeded(c.used) != nil {
			t.Errorf("%+v counts after it was free", c.used)
		}
	}
}

func TestUncounted(t *testing.T) {
	var b Budget
	held, err := Within(t.Context(), &b, func() (held []byte, err error) {
		b.Uncounted(func() {
			held = make([]byte, Memory+1)
			for range 3 {
				<-time.NewTimer(pace).C
			}
		})
		return held, nil
	})
	if len(held) != Memory+1 || err != nil {
		t.Fatal(len(held), err)
	}
	var none *Budget
	none.Uncounted(func() { held = nil })
	if held != nil {
		t.Fatal("it was not done")
	}
}

// TestGarbage: what nobody holds does not count, however much of it there was.
func TestGarbage(t *testing.T) {
	var b Budget
	_, err := Within(t.Context(), &b, func() (pieces int, err error) {
		for range 16 * Memory / 512 {
			piece := make([]byte, 512)
			pieces += len(piece)
			kept = piece
		}
		return pieces, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var kept []byte // so that pieces are not made on a stack

func TestSudden(t *testing.T) {
	for _, c := range []struct {
		fills
		sudden bool
	}{
		{fills{bytes: 1 << 30, pieces: 3}, true},
		{fills{bytes: 1 << 30, pieces: 1 << 24}, false}, // nobody looked for a while
		{fills{bytes: 1 << 20, pieces: 1}, false},
		{fills{}, false},
	} {
		if c.fills.sudden() != c.sudden {
			t.Errorf("%+v: sudden is not %v", c.fills, c.sudden)
		}
	}
}
