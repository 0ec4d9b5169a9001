//! Where in the sources of each version of vLLM the lines of its log are written, oldest version
//! first. Where a version has no such line its neighbour's place stands.

use crate::stand_in::log::writer::Place;

// The front end.
pub const SERVER_VERSION: Place = Place([
    "api_server.py:585",
    "api_server.py:1043",
    "api_server.py:1395",
    "api_server.py:1805",
    "api_server.py:1839",
    "utils.py:299",
    "api_utils.py:347",
]);
pub const ARGUMENTS: Place = Place([
    "api_server.py:586",
    "api_server.py:1044",
    "cli_args.py:325",
    "utils.py:326",
    "utils.py:233",
    "utils.py:233",
    "api_utils.py:286",
]);
pub const IPC: Place = Place(["api_server.py:175"; 7]);
pub const ENGINE_PROCESS: Place = Place(["api_server.py:194"; 7]);
pub const TASKS_OF_THE_MODEL: Place = Place([
    "config.py:350",
    "config.py:717",
    "config.py:841",
    "config.py:841",
    "config.py:841",
    "config.py:841",
    "config.py:841",
]);
pub const ARCHITECTURE: Place = Place([
    "__init__.py:711",
    "__init__.py:711",
    "__init__.py:711",
    "__init__.py:711",
    "model.py:547",
    "model.py:549",
    "model.py:733",
]);
pub const MODEL_LENGTH: Place = Place([
    "config.py:1472",
    "config.py:1472",
    "config.py:1472",
    "__init__.py:1750",
    "model.py:1510",
    "model.py:1680",
    "model.py:2152",
]);
pub const CHUNKED: Place = Place([
    "config.py:1136",
    "config.py:2003",
    "config.py:2285",
    "scheduler.py:222",
    "scheduler.py:205",
    "scheduler.py:238",
    "scheduler.py:307",
]);
pub const NOT_CHUNKED: Place = Place(["arg_utils.py:3005"; 7]);
pub const EAGER: Place = Place(["vllm.py:1703"; 7]);

// The engine.
pub const CONFIG: Place = Place([
    "llm_engine.py:249",
    "core.py:58",
    "core.py:69",
    "core.py:74",
    "core.py:77",
    "core.py:105",
    "core.py:133",
]);
pub const WORLD: Place = Place([
    "parallel_state.py:1400",
    "parallel_state.py:1400",
    "parallel_state.py:1400",
    "parallel_state.py:1400",
    "parallel_state.py:1400",
    "parallel_state.py:1400",
    "parallel_state.py:1906",
]);
pub const RANK: Place = Place([
    "parallel_state.py:1004",
    "parallel_state.py:1004",
    "parallel_state.py:1076",
    "parallel_state.py:1134",
    "parallel_state.py:1208",
    "parallel_state.py:1712",
    "parallel_state.py:2350",
]);
pub const LOADING: Place = Place([
    "model_runner.py:1072",
    "gpu_model_runner.py:1329",
    "gpu_model_runner.py:1770",
    "gpu_model_runner.py:1953",
    "gpu_model_runner.py:2602",
    "gpu_model_runner.py:4733",
    "gpu_model_runner.py:5039",
]);
pub const INITIALIZED_MODEL: Place = Place(["base_loader.py:82"; 7]);
pub const LOADED_WEIGHTS: Place = Place([
    "loader.py:458",
    "loader.py:458",
    "default_loader.py:272",
    "default_loader.py:262",
    "default_loader.py:267",
    "default_loader.py:384",
    "default_loader.py:501",
]);
pub const LOADED: Place = Place([
    "model_runner.py:1077",
    "gpu_model_runner.py:1347",
    "gpu_model_runner.py:1801",
    "gpu_model_runner.py:2007",
    "gpu_model_runner.py:2653",
    "gpu_model_runner.py:4818",
    "gpu_model_runner.py:5149",
]);
pub const PROFILED: Place = Place([
    "worker.py:232",
    "gpu_worker.py:232",
    "gpu_worker.py:232",
    "gpu_worker.py:276",
    "gpu_worker.py:298",
    "gpu_worker.py:436",
    "gpu_worker.py:759",
]);
pub const CACHE_SIZE: Place = Place([
    "gpu_executor.py:113",
    "kv_cache_utils.py:634",
    "kv_cache_utils.py:716",
    "kv_cache_utils.py:849",
    "kv_cache_utils.py:1087",
    "kv_cache_utils.py:1319",
    "kv_cache_utils.py:2327",
]);
pub const CONCURRENCY: Place = Place([
    "gpu_executor.py:117",
    "kv_cache_utils.py:637",
    "kv_cache_utils.py:720",
    "kv_cache_utils.py:853",
    "kv_cache_utils.py:1091",
    "kv_cache_utils.py:1324",
    "kv_cache_utils.py:2327",
]);
pub const CAPTURING: Place = Place(["model_runner.py:1400"; 7]);
pub const CAPTURED: Place = Place([
    "model_runner.py:1518",
    "gpu_model_runner.py:1686",
    "gpu_model_runner.py:2326",
    "gpu_model_runner.py:2708",
    "gpu_model_runner.py:3480",
    "gpu_model_runner.py:6051",
    "gpu_model_runner.py:6581",
]);
pub const MEMORY_USE: Place = Place(["gpu_worker.py:1034"; 7]);
pub const INITIALIZED: Place = Place([
    "core.py:159",
    "core.py:159",
    "core.py:172",
    "core.py:214",
    "core.py:210",
    "core.py:283",
    "core.py:402",
]);

// Serving.
pub const CORE_READY: Place = Place(["core_client.py:439"; 7]);
pub const CACHE_INFO: Place = Place([
    "loggers.py:137",
    "loggers.py:137",
    "loggers.py:137",
    "loggers.py:142",
    "loggers.py:147",
    "loggers.py:147",
    "loggers.py:147",
]);
pub const TASKS: Place = Place([
    "api_server.py:1611",
    "api_server.py:1611",
    "api_server.py:1611",
    "api_server.py:1611",
    "api_server.py:1634",
    "api_server.py:604",
    "entry.py:136",
]);
pub const SCALE_OUT: Place = Place(["factories.py:89"; 7]);
pub const TEMPLATE: Place = Place(["hf.py:648"; 7]);
pub const STARTING: Place = Place([
    "api_server.py:1090",
    "api_server.py:1090",
    "api_server.py:1457",
    "api_server.py:1880",
    "api_server.py:1912",
    "api_server.py:608",
    "entry.py:140",
]);
pub const ROUTES: Place = Place([
    "launcher.py:19",
    "launcher.py:28",
    "launcher.py:29",
    "launcher.py:29",
    "launcher.py:34",
    "launcher.py:37",
    "launcher.py:186",
]);
pub const ROUTE: Place = Place([
    "launcher.py:27",
    "launcher.py:36",
    "launcher.py:37",
    "launcher.py:37",
    "launcher.py:42",
    "launcher.py:46",
    "launcher.py:195",
]);
pub const THROUGHPUT: Place = Place([
    "metrics.py:449",
    "loggers.py:111",
    "loggers.py:118",
    "loggers.py:123",
    "loggers.py:127",
    "loggers.py:259",
    "loggers.py:335",
]);
pub const HIT_RATE: Place = Place(["metrics.py:465"; 7]);
pub const SHUTTING_DOWN: Place = Place([
    "launcher.py:57",
    "launcher.py:79",
    "launcher.py:80",
    "launcher.py:80",
    "launcher.py:99",
    "launcher.py:137",
    "launcher.py:304",
]);

// Dying.
pub const CORE_FAILED: Place = Place([
    "engine.py:366",
    "core.py:396",
    "core.py:586",
    "core.py:700",
    "core.py:708",
    "core.py:1108",
    "core.py:1510",
]);
pub const WORKER_FAILED: Place = Place([
    "multiproc_worker_utils.py:229",
    "multiproc_executor.py:435",
    "multiproc_executor.py:487",
    "multiproc_executor.py:559",
    "multiproc_executor.py:597",
    "multiproc_executor.py:857",
    "multiproc_executor.py:953",
]);
pub const WORKER_RAISED: Place = Place([
    "multiproc_worker_utils.py:229",
    "multiproc_executor.py:470",
    "multiproc_executor.py:522",
    "multiproc_executor.py:596",
    "multiproc_executor.py:671",
    "multiproc_executor.py:949",
    "multiproc_executor.py:1063",
]);
pub const LOAD_FAILED: Place = Place([
    "gpu_model_runner.py:4806",
    "gpu_model_runner.py:4806",
    "gpu_model_runner.py:4806",
    "gpu_model_runner.py:4806",
    "gpu_model_runner.py:4806",
    "gpu_model_runner.py:4816",
    "gpu_model_runner.py:5147",
]);
pub const WORKER_GONE: Place = Place([
    "multiproc_worker_utils.py:116",
    "multiproc_executor.py:123",
    "multiproc_executor.py:135",
    "multiproc_executor.py:146",
    "multiproc_executor.py:154",
    "multiproc_executor.py:277",
    "multiproc_executor.py:315",
]);
pub const CORE_DIED: Place = Place([
    "engine.py:135",
    "core.py:398",
    "core.py:588",
    "core.py:702",
    "core.py:710",
    "core.py:1110",
    "core.py:1512",
]);
pub const CLIENT_TOLD: Place = Place([
    "client.py:250",
    "async_llm.py:399",
    "async_llm.py:419",
    "async_llm.py:430",
    "async_llm.py:480",
    "async_llm.py:707",
    "async_llm.py:906",
]);
