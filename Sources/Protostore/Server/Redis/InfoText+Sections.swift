/// The sections of INFO that Redis has.
extension InfoText {
    /// Of Redis: what tools take for it. Our own stands beside.
    static let redisVersion = RedisVersion.text

    var server: Lines {
        let uptime = state.uptimeSeconds
        return [
            ("redis_version", Self.redisVersion), ("redis_git_sha1", "00000000"), ("redis_git_dirty", "0"),
            ("redis_build_id", "0"), ("redis_mode", "standalone"), ("server_name", "protostore"), ("os", "Linux"),
            ("arch_bits", "64"), ("monotonic_clock", "POSIX clock_gettime"), ("multiplexing_api", "epoll"),
            ("atomicvar_api", "swift-synchronization"), ("process_id", "\(ProcessIdentity.current().number)"),
            ("process_supervised", "no"), ("run_id", state.runID), ("tcp_port", "\(state.port)"),
            ("server_time_usec", "\(Clock.wallMilliseconds() * 1000)"), ("uptime_in_seconds", "\(uptime)"),
            ("uptime_in_days", "\(uptime / 86_400)"), ("hz", "10"), ("configured_hz", "10"),
            // Seconds, in 24 bits.
            ("lru_clock", "\(Clock.wallMilliseconds() / 1000 & 0xFF_FFFF)"),
            ("executable", CommandLine.arguments.first ?? ""), ("config_file", state.configuration.file?.path ?? ""),
            ("io_threads_active", state.configuration.tcpThreads > 1 ? "1" : "0"),
        ]
    }

    var clients: Lines {
        [
            ("connected_clients", "\(sum(\.connections))"), ("cluster_connections", "0"),
            ("maxclients", "\(state.settings.clientsMax)"), ("client_recent_max_input_buffer", "0"),
            ("client_recent_max_output_buffer", "0"), ("blocked_clients", "0"), ("tracking_clients", "0"),
            ("clients_in_timeout_table", "0"),
        ]
    }

    /// All memory is the process', the index included: values are on disk.
    var memory: Lines {
        let used = ProcessUsage.residentBytes() ?? 0
        let peak = max(usage.residentBytesMax, used)
        let buffers = sum(\.bufferBytes) + sum(\.writeBytesInFlight)
        let overhead = max(0, used - state.store.indexBytes)
        let machine = ProcessUsage.machineBytes() ?? 0
        func percent(_ part: Int, _ whole: Int) -> String {
            Decimals.text(whole == 0 ? 0 : Double(part) * 100 / Double(whole), 2) + "%"
        }
        return [
            ("used_memory", "\(used)"), ("used_memory_human", ByteSize.text(used)), ("used_memory_rss", "\(used)"),
            ("used_memory_rss_human", ByteSize.text(used)), ("used_memory_peak", "\(peak)"),
            ("used_memory_peak_human", ByteSize.text(peak)), ("used_memory_peak_perc", percent(used, peak)),
            ("used_memory_overhead", "\(overhead)"), ("used_memory_startup", "0"),
            ("used_memory_dataset", "\(used - overhead)"), ("used_memory_dataset_perc", percent(used - overhead, used)),
            ("allocator_allocated", "\(used)"), ("allocator_active", "\(used)"), ("allocator_resident", "\(used)"),
            ("total_system_memory", "\(machine)"), ("total_system_memory_human", ByteSize.text(machine)),
            ("used_memory_lua", "0"), ("used_memory_lua_human", "0B"), ("used_memory_scripts", "0"),
            ("used_memory_scripts_human", "0B"), ("number_of_cached_scripts", "0"), ("maxmemory", "0"),
            ("maxmemory_human", "0B"), ("maxmemory_policy", "noeviction"), ("allocator_frag_ratio", "1.00"),
            ("allocator_frag_bytes", "0"), ("allocator_rss_ratio", "1.00"), ("allocator_rss_bytes", "0"),
            ("rss_overhead_ratio", "1.00"), ("rss_overhead_bytes", "0"), ("mem_fragmentation_ratio", "1.00"),
            ("mem_fragmentation_bytes", "0"), ("mem_not_counted_for_evict", "0"), ("mem_replication_backlog", "0"),
            ("mem_total_replication_buffers", "0"), ("mem_clients_slaves", "0"), ("mem_clients_normal", "\(buffers)"),
            ("mem_cluster_links", "0"), ("mem_aof_buffer", "0"), ("mem_allocator", "libc"),
            ("active_defrag_running", "0"), ("lazyfree_pending_objects", "0"), ("lazyfreed_objects", "0"),
        ]
    }

    /// The log takes the place of both of Redis' ways. Nothing waits to be saved with `--sync always`.
    var persistence: Lines {
        let failed = !state.store.opening.parts.health.acceptsWrites
        let unsaved = state.isAlwaysDurable ? 0 : totals.writes &- min(totals.writes, state.writesAtSave)
        return [
            ("loading", "0"), ("async_loading", "0"), ("current_cow_peak", "0"), ("current_cow_size", "0"),
            ("current_cow_size_age", "0"), ("current_fork_perc", "0.00"), ("current_save_keys_processed", "0"),
            ("current_save_keys_total", "0"), ("rdb_changes_since_last_save", "\(unsaved)"),
            ("rdb_bgsave_in_progress", state.isSaving ? "1" : "0"), ("rdb_last_save_time", "\(state.lastSaveSeconds)"),
            ("rdb_last_bgsave_status", failed || state.lastSaveFailed ? "err" : "ok"), ("rdb_last_bgsave_time_sec", "0"),
            ("rdb_current_bgsave_time_sec", "-1"), ("rdb_saves", "\(state.saves)"), ("rdb_last_cow_size", "0"),
            ("rdb_last_load_keys_expired", "0"), ("rdb_last_load_keys_loaded", "0"), ("aof_enabled", "1"),
            ("aof_rewrite_in_progress", "0"), ("aof_rewrite_scheduled", "0"), ("aof_last_rewrite_time_sec", "-1"),
            ("aof_current_rewrite_time_sec", "-1"), ("aof_last_bgrewrite_status", "ok"), ("aof_rewrites", "0"),
            ("aof_rewrites_consecutive_failures", "0"), ("aof_last_write_status", failed ? "err" : "ok"),
            ("aof_last_cow_size", "0"), ("module_fork_in_progress", "0"), ("module_fork_last_cow_size", "0"),
            ("aof_current_size", "\(segments.liveBytes + segments.deadBytes)"), ("aof_base_size", "\(segments.liveBytes)"),
            ("aof_pending_rewrite", "0"), ("aof_buffer_length", "0"), ("aof_pending_bio_fsync", "0"),
            ("aof_delayed_fsync", "0"),
        ]
    }

    var statistics: Lines {
        [
            ("total_connections_received", "\(totals.connections)"), ("total_commands_processed", "\(totals.requests)"),
            ("instantaneous_ops_per_sec", "\(state.rates.requests)"), ("total_net_input_bytes", "\(totals.bytesIn)"),
            ("total_net_output_bytes", "\(totals.bytesOut)"), ("total_net_repl_input_bytes", "0"),
            ("total_net_repl_output_bytes", "0"),
            ("instantaneous_input_kbps", Decimals.text(state.rates.kilobytesIn, 2)),
            ("instantaneous_output_kbps", Decimals.text(state.rates.kilobytesOut, 2)),
            ("instantaneous_input_repl_kbps", "0.00"), ("instantaneous_output_repl_kbps", "0.00"),
            ("rejected_connections", "\(totals.turnedAway &+ state.refusedConnections)"), ("sync_full", "0"),
            ("sync_partial_ok", "0"), ("sync_partial_err", "0"), ("expired_keys", "\(totals.expiredKeys)"),
            ("expired_stale_perc", "0.00"), ("expired_time_cap_reached_count", "0"),
            ("expire_cycle_cpu_milliseconds", "0"), ("evicted_keys", "0"), ("evicted_clients", "0"),
            ("total_eviction_exceeded_time", "0"), ("current_eviction_exceeded_time", "0"),
            ("keyspace_hits", "\(totals.hits)"), ("keyspace_misses", "\(totals.misses)"), ("pubsub_channels", "0"),
            ("pubsub_patterns", "0"), ("pubsubshard_channels", "0"), ("latest_fork_usec", "0"), ("total_forks", "0"),
            ("migrate_cached_sockets", "0"), ("slave_expires_tracked_keys", "0"), ("active_defrag_hits", "0"),
            ("active_defrag_misses", "0"), ("active_defrag_key_hits", "0"), ("active_defrag_key_misses", "0"),
            ("total_active_defrag_time", "0"), ("current_active_defrag_time", "0"), ("tracking_total_keys", "0"),
            ("tracking_total_items", "0"), ("tracking_total_prefixes", "0"), ("unexpected_error_replies", "0"),
            ("total_error_replies", "\(commands.errorCount)"), ("dump_payload_sanitizations", "0"),
            ("total_reads_processed", "\(totals.receives)"), ("total_writes_processed", "\(totals.sends)"),
            ("io_threaded_reads_processed", "0"), ("io_threaded_writes_processed", "0"), ("reply_buffer_shrinks", "0"),
            ("reply_buffer_expands", "0"),
        ]
    }

    var replication: Lines {
        [
            ("role", "master"), ("connected_slaves", "0"), ("master_failover_state", "no-failover"),
            ("master_replid", state.runID), ("master_replid2", String(repeating: "0", count: 40)),
            ("master_repl_offset", "0"), ("second_repl_offset", "-1"), ("repl_backlog_active", "0"),
            ("repl_backlog_size", "1048576"), ("repl_backlog_first_byte_offset", "0"), ("repl_backlog_histlen", "0"),
        ]
    }

    /// Seconds.
    var processor: Lines {
        let main = ProcessUsage.currentThread()
        func seconds(_ nanoseconds: UInt64) -> String { Decimals.text(Double(nanoseconds) / 1e9, 6) }
        return [
            ("used_cpu_sys", seconds(usage.systemNanoseconds)), ("used_cpu_user", seconds(usage.userNanoseconds)),
            ("used_cpu_sys_children", "0.000000"), ("used_cpu_user_children", "0.000000"),
            ("used_cpu_sys_main_thread", seconds(main.systemNanoseconds)),
            ("used_cpu_user_main_thread", seconds(main.userNanoseconds)),
        ]
    }

    // MARK: By command

    var commandStatistics: Lines {
        commands.counters.enumerated().compactMap { number, counters in
            guard number < CommandTable.count, counters != CommandStatistics.Counters() else { return nil }
            let microseconds = counters.nanoseconds / 1000
            let each = counters.calls == 0 ? 0 : Double(counters.nanoseconds) / 1000 / Double(counters.calls)
            return (
                "cmdstat_\(CommandTable.command(number).name)",
                "calls=\(counters.calls),usec=\(microseconds),usec_per_call=\(Decimals.text(each, 2)),"
                    + "rejected_calls=\(counters.rejected),failed_calls=\(counters.failed)"
            )
        }
    }

    var errorStatistics: Lines {
        commands.errors.sorted { $0.code < $1.code }.map { ("errorstat_\($0.code)", "count=\($0.count)") }
    }

    var latencyStatistics: Lines {
        commands.latencies.enumerated().compactMap { number, latency in
            guard number < CommandTable.count, let latency, latency.count > 0 else { return nil }
            let values = [(50.0, "p50"), (99.0, "p99"), (99.9, "p99.9")].map { percentile, name in
                "\(name)=\(Decimals.text(latency.microseconds(atPercentile: percentile), 3))"
            }
            return ("latency_percentiles_usec_\(CommandTable.command(number).name)", values.joined(separator: ","))
        }
    }

    // MARK: Keys

    /// Databases that have keys. Where loops do not count them by database, all are the first one's.
    var keyspace: Lines {
        var databases: [DatabaseKeys] = []
        for report in reports where report.hasShard {
            let counted = report.databases.isEmpty
                ? [DatabaseKeys(keys: UInt64(report.keys), expiring: 0)] : report.databases
            while databases.count < counted.count { databases.append(DatabaseKeys(keys: 0, expiring: 0)) }
            for (number, more) in counted.enumerated() {
                databases[number].keys &+= more.keys
                databases[number].expiring &+= more.expiring
            }
        }
        return databases.enumerated().filter { $0.element.keys > 0 }.map { number, count in
            ("db\(number)", "keys=\(count.keys),expires=\(count.expiring),avg_ttl=0")
        }
    }
}

/// The sections that Redis has not. Sizes in bytes.
extension InfoText {
    var index: Lines {
        let keys = sum(\.keys)
        let bytes = state.store.indexBytes
        return [
            ("index_keys", "\(keys)"), ("index_bytes", "\(bytes)"),
            ("index_bytes_max", "\(state.configuration.indexBytesMax ?? 0)"),
            ("index_bytes_per_key", Decimals.text(keys == 0 ? 0 : Double(bytes) / Double(keys), 2)),
            ("index_false_candidates", "\(total(\.shard.falseCandidates))"),
        ]
    }

    var datafile: Lines {
        let superblock = state.store.opening.superblock.current
        let bytes = Int(clamping: superblock.segmentCount) * superblock.layout.segmentBytes
        return [
            ("datafile_path", state.store.datafile.path), ("datafile_bytes", "\(bytes)"),
            ("datafile_bytes_max", "\(state.configuration.datafileBytesMax ?? 0)"),
            ("datafile_accepts_writes", state.store.opening.parts.health.acceptsWrites ? "1" : "0"),
            ("datafile_sync", state.configuration.sync.rawValue),
            ("datafile_segment_bytes", "\(superblock.layout.segmentBytes)"),
            ("datafile_segments", "\(superblock.segmentCount)"), ("datafile_segments_free", "\(segments.freeSegments)"),
            ("datafile_segments_sealed", "\(segments.sealedSegments)"), ("datafile_reads", "\(total(\.shard.readsStarted))"),
            ("datafile_read_bytes", "\(total(\.shard.bytesRead))"), ("datafile_commits", "\(total(\.shard.commits))"),
            ("datafile_flushes", "\(total(\.shard.flushes))"), ("datafile_log_bytes", "\(total(\.shard.logBytes))"),
            ("datafile_puts", "\(total(\.shard.puts))"), ("datafile_deletes", "\(total(\.shard.deletes))"),
            ("datafile_failed_reads", "\(total(\.shard.failedReads))"),
            ("datafile_failed_writes", "\(total(\.shard.failedWrites))"),
            ("datafile_refused_writes", "\(total(\.shard.refusedWrites))"),
            ("datafile_damaged_records", "\(total(\.shard.damagedRecords))"),
            ("datafile_reads_in_flight", "\(sum(\.readsInFlight))"), ("datafile_reads_waiting", "\(sum(\.readsWaiting))"),
            ("datafile_writes_in_flight", "\(sum(\.writesInFlight))"),
        ]
    }

    var compaction: Lines {
        let fresh = total(\.shard.recordBytes)
        let written = total(\.shard.logBytes) &+ total(\.shard.copyLogBytes)
        return [
            ("compaction_live_bytes", "\(segments.liveBytes)"), ("compaction_dead_bytes", "\(segments.deadBytes)"),
            ("compaction_oldest_dead_seconds", "\(segments.oldestDeadMilliseconds / 1000)"),
            ("compaction_copied_bytes", "\(total(\.shard.copiedBytes))"),
            ("compaction_copied_records", "\(total(\.shard.copiedRecords))"),
            ("compaction_read_bytes", "\(total(\.shard.compactionReadBytes))"),
            ("compaction_freed_segments", "\(segments.freedSegments)"),
            ("compaction_blocked_segments", "\(segments.blockedSegments)"),
            ("compaction_dropped_deletes", "\(segments.droppedDeletes)"),
            ("compaction_write_amplification", Decimals.text(fresh == 0 ? 0 : Double(written) / Double(fresh), 2)),
        ]
    }

    /// A line for each loop.
    var loops: Lines {
        reports.map { report in
            let requests = report.hasFrontEnd ? report.frontEnd.requests : report.shard.requests
            let cpu = Decimals.text(Double(report.cpuNanoseconds) / 1e9, 2)
            return (
                "loop_\(report.name)",
                "turns=\(report.loopCounters.turns),requests=\(requests),connections=\(report.connections),"
                    + "cpu_seconds=\(cpu),system_calls=\(report.systemCalls),keys=\(report.keys)"
            )
        }
    }
}
