//! What every backend must do, as tests.
//!
//! A case is an async function that gets an empty, migrated store and panics if
//! the store breaks the contract. A backend runs all of them, each as a test of
//! its own:
//!
//! ```text
//! dacapo_store::conformance_tests!(on_a_fresh_store);
//! ```
//!
//! where `on_a_fresh_store(case)` opens a store nobody else uses, awaits
//! `case(store)`, and removes the store whether or not the case panicked.

pub mod access;
pub mod commit;
pub mod commit_keys;
pub mod damage;
pub mod deletion;
pub mod execution;
pub mod execution_filter;
pub mod execution_list;
pub mod fixtures;
pub mod history;
pub mod lease;
pub mod module;
pub mod namespace;
pub mod query_result;
pub mod queue_limits;
pub mod samples;
pub mod search_attribute;
pub mod shard;
pub mod task;
pub mod task_claim;
pub mod task_lease;
pub mod timer;
pub mod update;

/// Makes a test of every case. The argument is the path of an async function
/// that takes a case and runs it on a fresh store.
#[macro_export]
macro_rules! conformance_tests {
    ($on_a_fresh_store:path) => {
        $crate::conformance_tests! {
            @cases $on_a_fresh_store;
            access {
                keys_come_back_as_they_were_made,
                a_key_comes_and_goes_with_an_entry_in_the_log,
                there_are_only_so_many_keys,
                changes_of_keys_are_counted_and_uses_are_not,
                the_log_is_read_from_its_end,
                old_entries_of_the_log_are_removed_in_portions,
            }
            commit {
                a_commit_writes_events_summary_and_timers,
                an_empty_commit_does_nothing,
                a_conflict_in_one_unit_leaves_nothing_of_any,
                a_thousand_units_are_one_commit,
                units_of_one_run_are_applied_in_order,
                a_run_may_start_and_close_in_one_commit,
                a_change_of_an_unknown_run_is_refused,
                what_a_column_can_not_hold_is_rejected,
                an_event_without_the_one_before_it_is_refused,
                the_event_before_may_come_with_the_same_commit,
                a_probe_leaves_no_trace_that_matters,
                a_summary_that_contradicts_itself_is_refused,
                statements_and_commits_are_counted,
            }
            commit_keys {
                an_event_id_is_written_once,
                an_event_given_twice_in_one_commit_is_refused,
                one_of_two_concurrent_writers_wins,
                only_one_run_of_a_workflow_id_is_open,
                two_open_runs_in_one_commit_are_refused,
                a_blocked_run_is_open,
                closing_a_run_frees_its_workflow_id,
                a_run_may_replace_an_open_one_in_one_unit,
                workflow_ids_of_namespaces_are_apart,
                only_one_run_of_a_workflow_id_has_a_request_id,
                runs_without_request_id_do_not_collide,
                a_run_is_inserted_once,
            }
            deletion {
                a_closed_run_is_deleted_with_all_that_is_kept_of_it,
                closed_runs_are_found_by_when_they_closed,
                a_former_owner_deletes_nothing,
                an_open_run_is_not_deleted,
                a_deleted_run_frees_its_request_id,
                a_version_is_deleted_with_its_content,
                all_versions_of_a_module_are_deleted_together,
                a_content_that_an_open_run_needs_is_kept,
            }
            execution {
                a_run_is_found_by_its_id,
                the_open_run_is_found_before_the_latest,
                the_latest_run_is_found_if_none_is_open,
                a_run_is_found_by_its_request,
                a_blocked_report_comes_back,
                a_run_is_moved_to_other_code,
                a_summary_follows_its_updates,
                what_a_run_is_found_by_comes_back,
                what_is_said_about_a_run_stays_until_it_changes,
                ids_may_hold_any_text,
                several_runs_are_found_at_once,
                open_runs_are_read_in_pages,
                open_runs_are_read_by_range,
                the_tags_of_a_run_are_those_of_its_last_change,
            }
            execution_filter {
                every_filter_finds_the_runs_that_it_is_true_of,
                runs_are_counted_by_what_they_have_in_common,
            }
            execution_list {
                runs_are_listed_newest_first,
                every_filter_narrows_a_list,
                filters_work_together_with_a_workflow_id,
                runs_of_built_in_workflows_are_listed_apart,
                pages_neither_repeat_nor_miss_runs_of_one_instant,
                a_page_of_a_workflow_id_follows_the_page_before,
                runs_of_a_workflow_id_are_counted_whatever_the_clock_says,
                times_no_calendar_reaches_are_no_error,
            }
            history {
                every_event_type_comes_back,
                an_outcome_that_is_a_failure_comes_back_without_a_payload,
                payloads_come_back_byte_for_byte,
                texts_come_back_whatever_they_hold,
                numbers_come_back_exactly,
                a_history_is_read_in_pages,
                the_last_event_is_read_alone,
                a_part_of_a_history_ends_once_it_has_many_bytes,
                several_histories_are_read_at_once,
                histories_are_read_until_they_are_many_bytes,
                the_last_events_of_several_runs_are_read_at_once,
                the_parents_of_several_runs_are_found_at_once,
                an_unknown_run_has_no_events,
            }
            lease {
                a_store_that_was_never_owned_has_no_owner,
                a_lease_lasts_until_it_is_over_or_given_back,
                a_node_that_took_the_shards_without_a_lease_has_none,
                shards_are_taken_after_an_owner_only_while_they_are_its,
                of_several_nodes_that_wait_one_takes_the_shards,
                a_former_owner_can_not_renew_its_lease,
                what_is_held_is_held_until_another_node_takes_it,
            }
            module {
                versions_are_counted_under_a_name,
                the_newest_content_again_is_no_new_version,
                an_older_content_is_a_new_version,
                content_is_kept_byte_for_byte,
                one_content_may_have_several_names,
                modules_are_listed_in_order,
                concurrent_uploads_get_versions_of_their_own,
                concurrent_uploads_of_one_content_make_one_version,
                a_module_needs_a_namespace,
                a_module_of_a_former_owner_is_not_kept,
                uploads_and_deletions_of_modules_are_counted,
            }
            namespace {
                there_is_a_default_namespace,
                namespaces_are_made_and_listed,
                a_name_has_one_namespace,
                there_are_only_so_many_namespaces,
                settings_of_a_namespace_are_changed_one_by_one,
                a_namespace_is_marked_as_deleted_once,
                a_namespace_is_removed_with_what_is_set_in_it,
                keys_permit_nothing_in_a_namespace_that_was_removed,
                a_namespace_that_has_something_is_not_removed,
                changes_of_namespaces_are_counted,
                a_former_owner_changes_no_namespace,
            }
            query_result {
                a_published_value_is_set_and_replaced,
                published_values_come_back_byte_for_byte_under_any_name,
                published_values_of_runs_are_apart,
            }
            queue_limits {
                settings_are_kept_and_changed_one_by_one,
                a_queue_of_which_nothing_is_set_any_more_is_forgotten,
                a_former_owner_sets_nothing,
                changes_of_one_moment_are_all_made,
                a_queue_hands_out_no_more_than_it_may_at_a_time,
                a_key_has_no_more_than_it_may_at_a_time,
                tasks_without_a_key_are_not_limited_by_key,
                claims_of_one_moment_do_not_exceed_a_limit_together,
                a_rate_is_kept_from_one_claim_to_the_next,
                a_key_has_a_rate_of_its_own,
                a_drained_queue_hands_out_nothing,
                what_is_used_of_limits_is_told,
                a_limited_claim_takes_what_any_other_would,
            }
            search_attribute {
                registered_search_attributes_are_listed_in_order,
                a_search_attribute_keeps_its_type,
                a_namespace_has_only_so_many_search_attributes,
                changes_of_search_attributes_are_counted,
                a_former_owner_changes_no_search_attribute,
            }
            shard {
                the_first_ranges_cover_every_hash_once,
                taking_shards_raises_every_epoch,
                a_former_owner_is_fenced_and_writes_nothing,
                one_lost_shard_fences_the_whole_commit,
                a_fence_names_a_shard_of_a_unit_that_is_to_blame,
                a_fence_is_reported_before_a_conflict,
                a_fence_is_reported_before_a_gap,
                a_shard_that_is_not_held_is_fenced,
                no_commit_of_a_former_owner_lands_after_a_takeover,
            }
            task {
                a_task_has_one_row_in_one_of_two_places,
                a_task_is_put_back_as_it_was,
                changes_of_a_stored_task_add_up,
                a_worker_is_told_what_it_has_to_do,
                a_paused_task_is_not_handed_out_until_it_goes_on,
                tasks_are_found_where_they_are,
                tasks_are_written_with_their_commit_or_not_at_all,
                the_tasks_of_a_run_are_deleted_with_it,
            }
            task_claim {
                a_worker_is_given_all_that_it_has_to_know,
                a_claim_takes_no_more_bytes_than_it_may,
                the_last_of_a_line_is_found,
                a_lease_ends_with_its_attempt,
                tasks_are_handed_out_by_priority_and_rank,
                nobody_has_a_task_before_its_time,
                a_worker_has_only_tasks_that_it_asks_for,
                no_two_claims_have_the_same_task,
                a_task_without_its_history_is_not_handed_out,
                queues_with_tasks_are_listed,
                the_depth_of_a_queue_is_counted,
                the_types_that_wait_are_counted,
                what_workers_have_of_a_queue_is_listed_in_pages,
            }
            task_lease {
                a_heartbeat_prolongs_a_lease,
                heartbeats_are_answered_together,
                a_heartbeat_goes_no_further_than_the_attempt,
                a_lease_that_is_gone_is_not_prolonged,
                leases_that_are_over_are_given_once_at_a_time,
                tasks_that_nobody_takes_are_given_once_at_a_time,
                what_is_over_is_given_by_range,
                a_lease_is_given_back_by_its_digest,
            }
            timer {
                a_timer_is_set_replaced_and_cleared,
                a_timer_set_and_cleared_in_one_commit_is_gone,
                due_timers_come_in_order_and_in_pages,
                due_timers_are_read_by_range,
                a_timer_is_not_due_at_its_bound,
                timers_of_runs_are_read_together,
                the_rows_of_a_run_itself_are_kept,
                a_retry_keeps_its_failure,
                an_attempt_keeps_what_it_said,
                a_timer_may_be_further_than_any_calendar,
            }
            update {
                an_update_is_kept_until_it_is_removed,
                an_update_kept_and_removed_in_one_commit_is_gone,
                updates_of_runs_are_read_together_in_the_order_of_their_arrival,
                updates_come_back_byte_for_byte,
                updates_and_values_are_written_with_their_commit_or_not_at_all,
            }
        }
    };
    (@cases $on_a_fresh_store:path; $($family:ident { $($case:ident,)* })*) => {
        $(
            mod $family {
                use super::*;
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        $on_a_fresh_store($crate::conformance::$family::$case).await;
                    }
                )*
            }
        )*
        $crate::conformance_tests! { @complete $($family { $($case,)* })* }
    };
    (@complete $($family:ident { $($case:ident,)* })*) => {
        /// A case that is written but not listed above would never run.
        #[test]
        fn every_case_is_listed() {
            $(
                let written = $crate::conformance::fixtures::cases_of(
                    $crate::conformance::$family::SOURCE,
                );
                assert_eq!(written, [$(stringify!($case)),*], "{}", stringify!($family));
            )*
        }
    };
}
