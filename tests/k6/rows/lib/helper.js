import { base } from './deep/base.js';

export const helper = (n) => n * base;
export default 7;
