import { parsePredicate } from "./dist/formats/predicate/parse-predicate.js";
const show=(v)=>JSON.stringify(v,(k,x)=>typeof x==='bigint'?x+'n':x);
for (const s of ['a = 1 and b<>2 or not c is null','bbox.xmin > -1.5e-3','a.b.c.d.e = 1','"a ""b" = \'x\'\'y\'','x in (1,-2,3.5, \'a\', null, DATE \'2024-01-01\')','x not in (1,null)','x between -1 and 3 and y=2','x not like \'a%\'','x ilike \'a\'','x = 12345678901234567890','d = DATE \'2024-02-30\'',"d='2024-01-01'::timestamp","x = 1 +",'x == 1','naïve=1','order = 1','bbox.order=1','user=1','count(*) = 1','a+1=2','(a=1','a=1)','x = \'abc','x = 1e5','x = 5abc','x is not true','a=b','flag','not not flag','a in (b)','a in ()','a between b and c','','a=1;select','a=1 and\n b = = 2',"E'a'=x", 'a = 1 is null', '1 < a < 3',"a < timestamptz '2024-01-01 00:00:00+01'",'a=+5','a = - -5', "a like 'x' escape 'y'", 'a is not distinct from 1', "a=$1", "x = interval '1 day'", "a='ü\u{1F600}' and = 1"])
 { try { console.log(s,'=>',show(await parsePredicate(s))) } catch(e) { console.log(s,'ERR',e.code, e.message,'|',e.hint,'\n'+(e.facts?.pointer??e.stack)) } }
const T=async(n,s)=>{const t=performance.now();let r;try{r=(await parsePredicate(s)).kind}catch(e){r=e.message.slice(0,100)}console.log(n,s.length,(performance.now()-t).toFixed(0),r)};
await T('in','a in ('+Array.from({length:100000},(_,i)=>i).join(',')+')');
await T('paren','('.repeat(90)+'a=1'+')'.repeat(90));
await T('paren','('.repeat(100000));
await T('not','not '.repeat(4000)+'a');
await T('and',Array.from({length:1000},(_,i)=>'a'+i+'='+i).join(' and '));
await T('mix',Array.from({length:800},(_,i)=>'a'+i+'='+i+(i%2?' and ':' or ')).join('')+'b');
await T('isnull','a'+' is null'.repeat(1000));
await T('minus','a = '+'-'.repeat(4000)+'1');
await T('minus','a = '+'- '.repeat(4000)+'1');
await T('nested','(a=1 or '.repeat(90)+'b=2'+')'.repeat(90));
await T('nestednot','not (a=1 or '.repeat(90)+'b=2'+')'.repeat(90));
