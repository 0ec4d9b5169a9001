//! Words that tell how far an engine had come, whatever became of it.

/// A container that restarts writes several starts into one log. Each kind of mark stands once
/// in a start, so that its second one opens another; compared with the start of a line.
pub const MARKS: &[&str] = &[
    "non-default args: ",
    "vLLM API server version ",
    "Initializing an LLM engine",
];

/// The start is complete; compared with the start of a line.
pub const STARTED: &[&str] = &[
    "Application startup complete",
    "Starting vLLM API server",
    "Starting vLLM server on",
    "Uvicorn running on",
];

/// The weights are loaded; compared with the start of a line.
pub const LOADED: &[&str] = &[
    "Loading weights took",
    "Model loading took",
    "Loading model weights took",
];

/// Only an engine that serves writes them.
pub const SERVICE: &[&str] = &["Avg prompt throughput", " HTTP/1."];

/// Several nodes work together.
pub const ACROSS_NODES: &[&str] = &["'nnodes': ", "Connecting to existing Ray cluster"];

/// Only while starting: announcements, and functions that a traceback goes through.
pub const STARTING: &[&str] = &[
    "EngineCore failed to start",
    "WorkerProc failed to start",
    "WorkerProc initialization failed",
    "Engine core initialization failed",
    "Engine process failed to start",
    "process died before responding to readiness probe",
    "processing method init_device",
    "processing method load_model",
    "processing method determine_num_available_blocks",
    "processing method initialize_cache",
    "executing method init_device",
    "executing method load_model",
    "executing method determine_num_available_blocks",
    "executing method initialize_cache",
    "in determine_available_memory",
    "in determine_num_available_blocks",
    "in profile_run",
    "in load_model",
    "in initialize_kv_cache",
    "in _initialize_kv_caches",
    "in capture_model",
    "in _init_executor",
    "in _init_workers",
];

/// Only while serving.
pub const SERVING: &[&str] = &[
    "EngineCore encountered a fatal error",
    "EngineCore encountered an issue",
    "Engine core proc",
    "in _process_engine_step",
    "in run_busy_loop",
    "in run_engine_loop",
    "in engine_step",
    "in step_async",
    "method start_worker_execution_loop",
    "RPC call to execute_model",
    "RPC call to sample_tokens",
    "AsyncLLM output_handler failed",
    "Background loop has errored",
    "Engine background task failed",
    "Dumping input data for V1 LLM engine",
    "Engine loop is not running",
    "Engine loop has died",
    "Task finished unexpectedly",
    "is already dead, terminating server process",
    "Exception in ASGI application",
    "Finished server process [",
    "Shutting down",
];
