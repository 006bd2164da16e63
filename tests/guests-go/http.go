package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"dacapo"
	"dacapo/dacapohttp"
)

// 53: HTTP in activities.
func init() {
	dacapo.RegisterActivity("post", post)
	dacapo.RegisterWorkflow("posts", posts)
	dacapo.RegisterActivity("fetch", fetch)
	dacapo.RegisterWorkflow("fetches", fetches)
	dacapo.RegisterWorkflow("fetches_itself", fetchesItself)
}

type posting struct {
	URL    string `json:"url"`
	Effect string `json:"effect"`
}

func post(_ context.Context, in posting) (string, error) {
	info := dacapo.Attempt()
	body, err := json.Marshal(map[string]any{
		"effect":      in.Effect,
		"key":         info.IdempotencyKey(),
		"workflow_id": info.WorkflowID,
		"run_id":      info.RunID,
		"attempt":     info.Attempt,
	})
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: dacapohttp.Transport}
	answer, err := client.Post(in.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the answer is %s", answer.Status)
	}
	return in.Effect, nil
}

type url struct {
	URL string `json:"url"`
}

func posts(ctx context.Context, in url) (string, error) {
	return dacapo.Activity[string](ctx, "post", posting{in.URL, "posted"})
}

// What only this SDK has to show of it.
type fetched struct {
	Denied   string `json:"denied"`
	Echoed   bool   `json:"echoed"`
	Status   string `json:"status"`
	TimedOut bool   `json:"timed_out"`
}

// fetch asks for something that never comes while it sends and gets much.
func fetch(_ context.Context, in url) (fetched, error) {
	impatient := http.Client{Transport: dacapohttp.Transport, Timeout: 200 * time.Millisecond}
	failed := make(chan error)
	go func() {
		_, err := impatient.Get(in.URL + "/never")
		failed <- err
	}()

	client := http.Client{Transport: dacapohttp.Transport}
	much := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	// A reader whose length is not known.
	answer, err := client.Post(in.URL+"/echo?a=b", "text/plain", io.MultiReader(bytes.NewReader(much)))
	if err != nil {
		return fetched{}, err
	}
	defer answer.Body.Close()
	back, err := io.ReadAll(answer.Body)
	if err != nil {
		return fetched{}, err
	}
	told := fetched{Echoed: bytes.Equal(back, much), TimedOut: os.IsTimeout(<-failed)}
	if answer, err = client.Get(in.URL + "/nowhere"); err != nil {
		return fetched{}, err
	}
	// Nobody closes it.
	told.Status = answer.Status + " " + answer.Header.Get("X-Said")
	_, err = client.Get("http://not-allowed.example/")
	told.Denied = fmt.Sprint(err)
	return told, nil
}

func fetches(ctx context.Context, in url) (fetched, error) {
	return dacapo.Activity[fetched](ctx, "fetch", in)
}

// fetchesItself does what no workflow may.
func fetchesItself(_ context.Context, in url) (string, error) {
	client := http.Client{Transport: dacapohttp.Transport}
	_, err := client.Get(in.URL)
	return fmt.Sprint(err), nil
}
