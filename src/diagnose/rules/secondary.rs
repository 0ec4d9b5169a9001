//! Lines that say that an engine died, not why; lines of an orderly stop; lines that only sound
//! like a death.

/// They prove a death and never name its cause.
pub const DEAD: &[&str] = &[
    "Engine core initialization failed",
    "EngineCore failed to start",
    "EngineCore encountered a fatal error",
    "EngineCore hit an exception",
    "EngineCore encountered an issue",
    "WorkerProc failed to start",
    "WorkerProc hit an exception",
    "WorkerProc initialization failed",
    "please check the stack trace above for the root cause",
    "Got fatal signal from worker processes",
    "Engine process failed to start",
    "process died before responding to readiness probe",
    "Error executing method",
    "Exception in worker VllmWorkerProcess while processing method",
    "AsyncLLM output_handler failed",
    "Dumping input data for V1 LLM engine",
    "ChildProcessError: worker died",
    "EngineDeadError",
    "Engine loop is not running",
    "Engine loop has died",
    "Background loop has errored already",
    "Engine background task failed",
    "Task finished unexpectedly. This should never happen",
    "is already dead, terminating server process",
    "died unexpectedly",
    "Executor failed.",
    "Engine process (pid",
    "No heartbeat received from",
    "The actor died unexpectedly",
    "The actor is dead because",
    "function _raise_exception_on_finish",
    "function _log_task_completion",
    "Frontend process failed during engine core initialization",
];

/// Exceptions that follow from the end of another process.
pub const FOLLOWING: &[&str] = &[
    "Executor failed.",
    "RuntimeError: cancelled",
    "Engine core initialization failed",
    "WorkerProc initialization failed",
    "Engine process failed to start",
    "RPCServer process died",
    "please check the stack trace above",
    "EngineDeadError",
    "EngineGenerateError",
    "ChildProcessError: worker died",
    "Background loop has errored already",
    "ConnectionResetError",
    "BrokenPipeError",
    "EOFError",
    "CancelledError",
    "zmq.error.",
    "KeyboardInterrupt",
    "SystemExit",
    "Frontend process failed",
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError",
    "ncclRemoteError",
    "remote process exited",
    "onnection closed by peer",
    "Connection was likely closed",
    "RayTaskError",
    "ray.exceptions.RayActorError",
    "ray.exceptions.ActorDiedError",
];

/// Dumps of arguments and of requests: they quote what users wrote.
pub const QUOTING: &[&str] = &[
    "non-default args:",
    "args: Namespace(",
    "with config: ",
    "Received request",
    "Generated response",
    "Dumping scheduler",
    // When the line has lost its beginning.
    "gpu_memory_utilization=",
    "'gpu_memory_utilization': ",
    "served_model_name=",
    "'served_model_name': ",
    "lora_request:",
    "lora_request=",
    "prompt_token_ids:",
    "prompt_token_ids_len=",
    "output_token_ids:",
    "num_computed_tokens=",
    "num_scheduled_tokens=",
];

/// Never a cause, whatever words they hold: hints, requests that were refused, look-ups that
/// vLLM does without.
pub const DECOYS: &[&str] = &[
    "If out-of-memory error occurs during cudagraph capture",
    "If you are running out of memory",
    "because there is not enough KV cache space",
    "No available shared memory broadcast block found",
    "If OOM'ed, check the difference",
    "Possibly too large swap space",
    "This model's maximum context length is",
    "Dumping input data",
    // The model is a folder, and is looked up on the hub all the same.
    "retrieving safetensors: ",
    "retrieving file list: ",
    "leaked semaphore objects",
    "leaked shared_memory objects",
    "destroy_process_group() was not called",
    "process group has NOT been destroyed",
];

/// An orderly stop; compared with the start of a line.
pub const STOPPING: &[&str] = &[
    "Shutting down FastAPI HTTP server",
    "Waiting for application shutdown",
    "Application shutdown complete",
    "Finished server process [",
    "Shutdown initiated (timeout=",
    "Shutdown complete",
    "[shutdown] API server: shutdown triggered",
    "[shutdown] EngineCore: trigger received signal=SIGTERM",
    "Engine is gracefully shutting down",
    "Gracefully stopping http server",
    "KeyboardInterrupt",
    "Received signal 15",
    "WorkerProc was terminated",
    "Parent process exited, terminating worker",
    "Worker exiting",
];

/// An orderly stop where nothing else stands in the line.
pub const STOPPING_ALONE: &[&str] = &["Shutting down", "KeyboardInterrupt"];

/// Information that is logged while an engine goes down, of its own or not.
pub const WINDING_DOWN: &[&str] = &[
    "Killing local",
    "Terminating local",
    "Worker exiting",
    "terminating worker",
    "was terminated",
    "hutting down",
    "hutdown",
    "Finished server process",
];

/// A device is full; which one, other lines tell.
pub const FULL: &[&str] = &["No space left on device"];
