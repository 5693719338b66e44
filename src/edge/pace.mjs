// The intervals and bounds that the edge goes by. src/core/topology/pace.rs says what each is for; a test there holds both to be the same.
export const KV_KEEPS_S = 30;
export const DOUBTED_MS = 1000;
export const PATIENCE_MS = 2000;
export const REPORT_EXPIRES_S = 600;
export const WAKE_AGAIN_MS = 120000;
export const AT_ONCE = 5;
